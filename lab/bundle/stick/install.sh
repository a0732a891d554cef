#!/bin/sh
# Install the tutorial from this stick, without a net.
# Usage: sh install.sh FOLDER      Safe to repeat: goes on where it stopped.
set -eu
stick=$(cd "$(dirname "$0")" && pwd)
folder=${1:?usage: sh install.sh FOLDER (a new one, such as ~/mail)}
python=${PYTHON:-python3}

say() { printf '%s\n' "$*"; }
fail() { say "install: $1" >&2; say "  next: $2" >&2; exit 2; }

[ -e "$stick/SHA256SUMS" ] || fail "this bundle is not finished" "run lab bundle again where it was made"
say "checking the stick ..."
(cd "$stick" && sha256sum --check --quiet SHA256SUMS) || fail "a file on the stick is damaged" "copy the bundle anew"
for program in git "$python"; do
    command -v "$program" >/dev/null || fail "$program is missing" "sudo apt-get install git python3 python3-venv"
done

if [ ! -d "$folder/.git" ]; then
    say "the checkout: $folder"
    git -c advice.detachedHead=false clone --quiet "$stick/checkout/book.bundle" "$folder" || fail "git could not clone" "name a folder that is new"
    git -C "$folder" checkout --quiet -B main
fi
cd "$folder"
folder=$(pwd)

export PIP_NO_INDEX=1 PIP_FIND_LINKS="$stick/wheels" PIP_CONFIG_FILE=/dev/null
export UV_OFFLINE=1 UV_FIND_LINKS="$stick/wheels"
export npm_config_offline=true npm_config_cache="$folder/.lab/npm"
what=book
if [ -d "$stick/npm" ]; then
    mkdir -p "$folder/.lab" && rm -rf "$npm_config_cache" && cp -R "$stick/npm/cache" "$npm_config_cache"   # npm writes to it
fi
[ -z "${CLASS:-}" ] || what=class   # CLASS=1: this computer is to give a class
lab/setup.sh "$what"
rm -rf "$npm_config_cache"

# Machine images go where `lab` looks for them.
lab() { "$folder/.venv/bin/python" -m lab "$@"; }
images=$("$folder/.venv/bin/python" -c 'from lab.machine import image; print(image.folder())')
mkdir -p "$images"
for file in tree/root.tar box/lab.box; do
    name=$(basename "$file")
    [ -e "$stick/$file" ] && [ ! -e "$images/$name" ] || continue
    say "the lab machine: $name"
    cp "$stick/$file" "$images/$name.part" && mv "$images/$name.part" "$images/$name"
done
[ ! -e "$stick/box/lab.json" ] || sed "s#@FOLDER@#file://$images#" "$stick/box/lab.json" > "$images/lab.json"

if [ -e "$stick/site/site.tar.gz" ]; then
    mkdir -p _build/html && tar --extract --gzip --file "$stick/site/site.tar.gz" --directory _build/html
    say "the book: file://$folder/_build/html/index.html"
fi
lab doctor || true
say
say "Next:   cd $folder && .venv/bin/lab up && make run"
