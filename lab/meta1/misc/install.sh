#!/bin/sh
# install.sh DESTDIR BIN SBIN LIBEXEC MAN DOC PKG ETC "MODULES" "TOOLS" "SCRIPTS"
# Puts what was built into place; the queue and its owners are the work of sm.setup.sh.
set -eu
umask 022
destdir=$1 bin=$1$2 sbin=$1$3 libexec=$1$4 man=$1$5 doc=$1$6 pkg=$1$7 etc=$1$8
shift 8
modules=$1 tools=$2 scripts=$3

mkdir -p "$bin" "$sbin" "$libexec" "$man/man5" "$man/man8" "$doc" "$pkg" "$etc"
# A new tree beside the old one, then a quick exchange: a running mcp never sees half a package.
rm -rf "$pkg/meta1.new" "$pkg/meta1.old"
cp -Rp build/lib/meta1 "$pkg/meta1.new"
chmod -R u=rwX,go=rX "$pkg/meta1.new"
if [ "$(id -u)" = 0 ]; then chown -R root:root "$pkg/meta1.new"; fi
if [ -d "$pkg/meta1" ]; then mv "$pkg/meta1" "$pkg/meta1.old"; fi
mv "$pkg/meta1.new" "$pkg/meta1"
rm -rf "$pkg/meta1.old"

put() { # put MODE FILE DIR
    name=${2##*/}
    install -m "$1" "$2" "$3/.$name.new"
    mv -f "$3/.$name.new" "$3/$name"
    echo "  $3/$name"
}
for each in $modules; do put 755 "build/bin/$each" "$libexec"; done
for each in $tools; do put 755 "build/bin/$each" "$bin"; done
put 755 build/bin/mcp "$sbin"
for each in $scripts; do put 755 "misc/$each" "$sbin"; done
for each in build/man/*.5; do put 644 "$each" "$man/man5"; done
for each in build/man/*.8; do put 644 "$each" "$man/man8"; done
for each in README LICENSE RFC.md doc/*; do put 644 "$each" "$doc"; done
put 644 misc/meta1.service "$doc"
for each in build/man/*.md; do put 644 "$each" "$doc"; done
cp misc/meta1.conf "$etc/meta1.conf.sample"
chmod 644 "$etc/meta1.conf.sample"
echo "  $etc/meta1.conf.sample"
