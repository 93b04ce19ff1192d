# The two commands of the README. Each sets up all it needs: a virtual environment in .venv, with everything installed.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: serve test lint clean

serve: $(INSTALLED)  ## train what the registry lacks, then serve chorus.toml
	@$(BIN)/chorus train --missing
	@exec $(BIN)/chorus serve

test: $(INSTALLED)  ## run all tests
	@tests/packages
	@$(BIN)/python tests/environments.py
	@$(BIN)/pytest

lint: $(INSTALLED)  ## linters and type checks
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

$(INSTALLED): setup.cfg pyproject.toml
	@echo "setting up .venv (once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -c 'import sys; sys.version_info >= (3, 11) or sys.exit("chorus needs Python 3.11 or newer; try: make PYTHON=python3.11")'
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

clean:  ## remove the environment and everything built; the registry in .chorus stays
	rm -rf .venv .venv-mlserver* .venv-locust* build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
