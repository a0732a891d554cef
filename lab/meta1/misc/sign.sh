#!/bin/sh
# sign.sh FILE GPG KEY: FILE.sig, a detached signature.
set -eu
file=$1 gpg=$2 key=$3
command -v "$gpg" > /dev/null || { echo "no $gpg: apt-get install gnupg, or make dist SIGN=no" >&2; exit 1; }
if ! "$gpg" --batch --list-secret-keys ${key:+"$key"} 2> /dev/null | grep -q '^sec'; then
    echo "no secret key${key:+ $key}: make one (gpg --quick-generate-key NAME), or make dist SIGN=no" >&2
    exit 1
fi
rm -f "$file.sig"
"$gpg" --batch --yes ${key:+--local-user "$key"} --output "$file.sig" --detach-sign "$file"
echo "$file.sig: check with  gpg --verify $file.sig $file"
