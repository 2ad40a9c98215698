# Everything runs in .venv beside this file; a Python >= 3.11 with its venv module is all that is needed before.
# Stamps in .venv say what is installed, so a second run starts at once. Installing reports to stderr.
.SILENT:
.DEFAULT_GOAL := help
.PHONY: help demo test lint bench page browser postgresql clean

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check
TORCH ?= torch==2.13.0
PYTHONS ?= python3.13 python3.12 python3.11 python3 python
PYTEST ?=
SAY_PAGE = [ -f src/harmonium/serving/static/index.html ] || \
  echo 'make: the page of the service could not be built; make page says why. The service works without it.' 1>&2

help:
	echo 'make demo    install the package, train on the bundled ratings, recommend, and open the page'
	echo 'make test    lint, then every test, doctest and documented example'
	echo 'make lint    ruff, import contracts, pyright, the types of the page'
	echo 'make page    build the page of the service again, if its sources changed'
	echo 'make bench   the benchmarks, one after the other; DATA=folder of MovieLens 1M'
	echo 'make clean   remove the environments and everything made'

demo: .venv/.demo-installed
	$(BIN)/harmonium demo --serve

test: lint browser postgresql
	$(BIN)/python -m pytest --doctest-modules src tests $(PYTEST)

lint: .venv/.test-installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/pyright
	$(BIN)/python hatch_build.py check

page: .venv/.demo-installed
	$(BIN)/python hatch_build.py

# The tests of the page drive a browser: Debian's Chromium. Where it can be neither found nor installed they are skipped.
browser:
	command -v chromium >/dev/null || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-liberation; } 1>&2; fi; \
	command -v chromium >/dev/null || echo 'make: there is no chromium; the tests of the page will be skipped' 1>&2

# The tests of the store start a PostgreSQL server of their own, and fail where there is none.
postgresql:
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql; } 1>&2; \
	else echo 'make: the tests need PostgreSQL; install it (on Debian and Ubuntu: apt install postgresql)' 1>&2; exit 1; fi

bench: .venv/.bench-installed
	$(if $(DATA),,$(error make bench needs a folder with MovieLens 1M's ratings.parquet: make bench DATA=ml-1m))
	$(BIN)/python benchmarks/ratings.py --data "$(DATA)" --json
	$(BIN)/python benchmarks/throughput.py --data "$(DATA)" --json
	$(BIN)/python benchmarks/scale.py --like "$(DATA)/ratings.parquet" --json
	$(BIN)/python benchmarks/serving.py --json
	$(BIN)/python benchmarks/dense.py --json

clean:
	rm -rf page/node_modules src/harmonium/serving/static artifacts
	rm -rf .venv .venv-* build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Installing builds the page as well (hatch_build.py); pip hides what a build says, so it is said here.
.venv/.demo-installed: pyproject.toml | .venv/bin/python
	$(PIP) --editable '.[serve]' 1>&2
	$(SAY_PAGE)
	touch $@

# torch goes first and pinned: left to the solver, the newest one may bring gigabytes of GPU libraries.
.venv/.test-installed: pyproject.toml | .venv/bin/python
	$(PIP) '$(TORCH)' 1>&2
	$(PIP) --editable '.[test,lint]' 1>&2
	$(SAY_PAGE)
	touch $@ .venv/.demo-installed

.venv/.bench-installed: .venv/.test-installed
	$(PIP) --editable '.[bench]' 1>&2
	touch $@

.venv/bin/python:
	for python in $(PYTHONS); do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    "$$python" -c 'import venv, ensurepip' 2>/dev/null || { \
	      echo "make: $$python has no venv module; install it (on Debian and Ubuntu: apt install python3-venv)" 1>&2; exit 1; }; \
	    "$$python" -m venv .venv 1>&2 || { rm -rf .venv; exit 1; }; exit 0; \
	  fi; \
	done; \
	echo 'make: no Python >= 3.11 among $(PYTHONS); install one, or name it: make PYTHONS=/path/to/python' 1>&2; exit 1
