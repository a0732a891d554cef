#!/bin/sh
# A trainee's JupyterLab: give an empty home its own copy of the notebooks, and start.
set -eu
if [ ! -e "$HOME/tutorial" ]; then
    mkdir "$HOME/tutorial.new"
    cp /srv/book/notebooks/*.ipynb "$HOME/tutorial.new"
    mv "$HOME/tutorial.new" "$HOME/tutorial"
fi
cd "$HOME"
exec jupyterhub-singleuser "$@"
