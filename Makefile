# Bare `make` prints the targets below.
PYTHON ?= python3
BIN = .venv/bin
LAB = $(BIN)/python -m lab
QUICK = PYTHONPATH=book/_ext/quick  # a module that makes Python load less: it says what
export PYTHON
export PYTHONDONTWRITEBYTECODE = 1

.DEFAULT_GOAL := help
.PHONY: help setup setup-site setup-class setup-test book site serve pdf epub archive links newest baseline test check fix lock run clean

help:  ## Show this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-6s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## Install what this host lacks, and the Python environment (the targets below do it themselves)
	@lab/setup.sh book

setup-site:
	@lab/setup.sh site

setup-class:
	@lab/setup.sh class

setup-test:
	@lab/setup.sh test

# On a lab of its own, since the check puts the machine back to where each chapter starts.
book: setup  ## Run every notebook on a lab machine, compare what they print, build the site
	@$(LAB) --lab book drift
	@$(MAKE) --no-print-directory site

site: setup-site  ## Build the site from the stored outputs, without a lab: _build/html/index.html
	@$(QUICK) $(BIN)/jupyter-book build . --all -n -W --keep-going -q

# As published, but for two things: pages load the many files that the published ones have as two, and a page whose
# list of chapters changed is only written again when it changes itself.
PORT ?= 8000
serve: setup-site  ## Serve the site on http://127.0.0.1:8000, building it again as pages change
	@$(BIN)/jupyter-book config sphinx . > /dev/null
	@PYTHONPATH=book/_ext/quick:book/_ext $(BIN)/sphinx-autobuild --host 127.0.0.1 --port $(PORT) -D labsite_bundle_files=0 --ignore '*/.lab/*' --ignore '*/.venv/*' \
	    --ignore '*/_build/*' --ignore '*/.git/*' . _build/serve

pdf: setup-test site  ## The whole book on paper: _build/book.pdf, printed from the site by Chromium
	@PYTHONPATH=book/_ext $(BIN)/python -m labsite.edition _build/html _build/book.pdf

epub: site  ## The book for reading devices: _build/book.epub, made from the site
	@PYTHONPATH=book/_ext $(BIN)/python -m labsite.epub _build/html _build/book.epub

archive: site  ## The site packed for any host of files, the same bytes for the same commit: _build/site.tar.gz
	@tar --create --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime=@$$(git log -1 --format=%ct) \
	    --directory _build/html . | gzip --no-name -9 > _build/site.tar.gz

LINKS = _build/links/_build/linkcheck/output.txt
links: setup-site  ## Ask every address outside the book whether it is still there (needs the net)
	@$(BIN)/python -c 'import urllib.request as r; r.urlopen("https://www.rfc-editor.org/", timeout=20)' 2> /dev/null || \
	    { echo 'links: not even www.rfc-editor.org answers, so nothing was asked. Is this computer on the net?' >&2; exit 1; }
	@rm -f $(LINKS); $(QUICK) $(BIN)/jupyter-book build . --builder linkcheck --path-output _build/links -q || \
	    { grep 'broken\|timeout' $(LINKS); echo 'links: these addresses did not answer; $(LINKS) has all' >&2; exit 1; }

newest: setup-site  ## Build the site on the newest Sphinx stack, without Jupyter Book: what will change some day
	@tests/site/newest.sh

baseline: setup-test  ## Photograph the key pages anew, to which the tests compare: look at each before you commit it
	@$(BIN)/python tests/site/looks.py

test: setup-test  ## Every test: parts, notebooks in the container and on the Vagrant VM, the site in a browser
	@$(BIN)/python tests/run.py

check: setup  ## Format, types, spelling, secrets and the fast tests: what to run before a commit
	@$(BIN)/python tests/run.py fast

fix: setup  ## Mend what mends itself: format, canonical notebooks, the reference made from the code
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format --quiet . && $(LAB) drift --canonical
	@PYTHONPATH=book/_ext $(BIN)/python -m labsite.reference

lock: setup  ## Resolve requirements.txt anew from pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --all-extras --python-version 3.11 \
	    --no-emit-index-url --output-file requirements.txt pyproject.toml

# Root's own server is no more than root's shell: it listens on this host alone, and asks for its token.
run: setup  ## JupyterLab with the notebooks and the lab panel, for this host only
	@JUPYTER_CONFIG_PATH=lab/classroom/panel $(BIN)/jupyter lab --ip 127.0.0.1 --allow-root notebooks

clean:  ## Remove what was built (`lab down` removes a machine)
	@rm -rf _build .venv .mypy_cache .ruff_cache .pytest_cache *.egg-info conf.py
