#!/bin/sh
# build.sh PYTHON PKGDIR "MODULES" "TOOLS": fill build/ with the package, the programs, the manuals.
set -eu
python=$1 pkgdir=$2 modules=$3 tools=$4

rm -rf build/lib build/bin build/man
mkdir -p build/lib build/bin build/man
cp -Rp src/meta1 build/lib
find build/lib -name __pycache__ -prune -exec rm -rf {} +
cp misc/_build.py build/lib/meta1/_build.py
# The files say in tracebacks where they will be installed, not where they were built.
"$python" -m compileall -q -s build/lib -p "$pkgdir" build/lib/meta1

# program NAME MODULE
program() {
    [ -f "build/lib/$(echo "$2" | tr . /).py" ] || { echo "there is no module $2" >&2; exit 1; }
    cat > "build/bin/$1" <<END
#!$python -I
"""$1 of MeTA1; see $1(8)."""
import gc
import sys

sys.path.insert(0, "$pkgdir")
gc.disable()  # what is loaded stays: looking for garbage in it takes longer
from $2 import main

gc.enable()
raise SystemExit(main())
END
    chmod 755 "build/bin/$1"
}

program mcp meta1.mcp
for each in $modules; do program "$each" "meta1.$each"; done
for each in $tools; do
    case $each in
        smconf | metaconf) program "$each" meta1.metaconf ;;
        *) program "$each" "meta1.tools.$each" ;;
    esac
done

cp -p man/*.8 build/man/
PYTHONPATH=build/lib "$python" -m meta1.manual build/man
count=$(find build/lib -name '*.py' | wc -l)
echo "built: $count files of Python, $(ls build/bin | wc -l) programs, $(ls build/man/*.? | wc -l) manual pages"
