#!/bin/sh
# Build the book on the newest Sphinx stack instead of Jupyter Book 1, of which four extensions are left out: `make newest`.
# Nothing of it is locked: that it finds what changed is its purpose.
set -eu
cd "$(dirname "$0")/../.."
work=_build/newest
rm -rf $work
mkdir -p $work
"${PYTHON:-python3}" -m venv $work/venv
$work/venv/bin/pip install --quiet --disable-pip-version-check sphinx myst-nb sphinx-book-theme sphinx-external-toc \
    sphinxcontrib-bibtex sphinx-copybutton sphinx-togglebutton sphinx-design sphinx-notfound-page linkify-it-py \
    pyyaml click paramiko cryptography nbclient nbformat matplotlib railroad-diagrams rich
$work/venv/bin/pip list --disable-pip-version-check | grep --ignore-case --extended-regexp '^(sphinx|myst|docutils|pydata)'
# In a copy, since what Jupyter Book writes as conf.py lies at the top.
git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from - | tar --extract --directory $work --one-top-level=tree
.venv/bin/jupyter-book config sphinx $work/tree > /dev/null
sed --in-place --regexp-extended \
    "s/'(jupyter_book|sphinx_thebe|sphinx_comments|sphinx_jupyterbook_latex)',? ?//g" $work/tree/conf.py
PYTHONPATH=$work/tree/book/_ext $work/venv/bin/python -m sphinx -n -q --keep-going -w $work/warnings $work/tree $work/html
if [ -s $work/warnings ]; then
    echo "built, with warnings: $(wc --lines < $work/warnings) lines above"
    exit 1
fi
echo "built without a warning: $work/html/index.html"
