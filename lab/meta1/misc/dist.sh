#!/bin/sh
# dist.sh NAME DAY [DIR]: NAME.tar.gz of this tree, in DIR; the same tree gives the same bytes
# everywhere.
set -eu
name=$1 day=$2 tarball=${3:-.}/$1.tar.gz
export LC_ALL=C TZ=UTC

# Named one by one: what configure, make, tests and editors leave behind is no part of a release.
parts='configure Makefile.in README LICENSE RFC.md pyproject.toml misc src man doc tests dialogs bench'
list=$(mktemp)
trap 'rm -f "$list"' EXIT
for each in $parts; do
    [ ! -e "$each" ] || find "$each" \( -name __pycache__ -o -name '.*' \) -prune -o -type f ! -name '*.pyc' -print
done | grep -v -x -F -e misc/sm.setup.sh -e misc/sm.check.sh -e misc/mcp.sh -e misc/meta1.service \
        -e misc/_build.py -e misc/meta1.conf | sort > "$list"
tar --create --file - --format=ustar --sort=name --mtime="$day 00:00:00" --owner=root:0 --group=root:0 \
    --mode=u=rwX,go=rX --transform="s|^|$name/|" --files-from="$list" | gzip -9n > "$tarball"
echo "$name.tar.gz: $(wc -c < "$tarball") bytes, sha256 $(sha256sum "$tarball" | cut -d' ' -f1)"
