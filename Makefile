# Every command sets itself up: a fresh clone, Python 3.11+, pip, make and git are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DOCS_INSTALLED := $(VENV)/.installed-docs
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install -q -c constraints.txt
CODE := layeredrl experiments tests docs setup.py
# The tests do not need numba's compiled loops, and compiling them costs seconds.
PYTEST := NUMBA_DISABLE_JIT=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

.PHONY: help setup demo demo-arm test check format lint types fast-tests benchmark docs clean

help:  ## Show this list.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(INSTALLED)  ## Make .venv and install everything, pinned.

# torch first: left to the resolver, another package could pull in another build of it.
$(INSTALLED): setup.cfg setup.py constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), f"layeredrl needs Python 3.11 or newer, got {sys.version.split()[0]}"'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) setuptools wheel
	$(PIP) torch
	$(PIP) -e '.[envs,distributed,dev]'
	touch $@

demo: $(INSTALLED)  ## Learn skills and plan with them through a maze (about five minutes).
	OMP_NUM_THREADS=1 $(BIN)/python -m experiments.splates --preset maze-medium --seed 0 --run-dir runs/demo --overwrite

demo-arm: $(INSTALLED)  ## Learn a model of a robot arm and plan with it (about a minute).
	OMP_NUM_THREADS=1 $(BIN)/python -m experiments.planner --preset fetch-reach --seed 0 --run-dir runs/demo-arm --overwrite

test: $(INSTALLED)  ## Run all tests.
	$(PYTEST)

check-static: $(INSTALLED) format-check lint types

check: check-static fast-tests  ## Format, lint, types and fast tests.

format: $(INSTALLED)  ## Format the code.
	$(BIN)/isort -q $(CODE)
	$(BIN)/black -q $(CODE)

.PHONY: format-check check-static
format-check: $(INSTALLED)
	$(BIN)/isort -q --check-only $(CODE)
	$(BIN)/black -q --check $(CODE)

lint: $(INSTALLED)
	$(BIN)/flake8 $(CODE)

types: $(INSTALLED)
	$(BIN)/mypy

fast-tests: $(INSTALLED)
	$(PYTEST) -q -m "not slow and not learning"

benchmark: $(INSTALLED)  ## Measure the hot paths against their references.
	OMP_NUM_THREADS=1 $(BIN)/python -m experiments.benchmark

# The site's packages are an extra of their own, so that nobody else installs them.
$(DOCS_INSTALLED): $(INSTALLED)
	$(PIP) -e '.[docs]'
	touch $@

docs: $(DOCS_INSTALLED)  ## Build the documentation into docs/_build/html; warnings are errors.
	NUMBA_DISABLE_JIT=1 OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html

clean:  ## Remove everything that was built here (runs/ stays).
	rm -rf $(VENV) build dist *.egg-info docs/_build .pytest_cache .mypy_cache
