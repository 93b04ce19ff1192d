# The commands of the README. Each sets up all it needs: a virtual environment in .venv, with everything installed.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: setup serve test bench chaos lint clean

setup: $(INSTALLED)  ## set up .venv, and nothing else

serve: $(INSTALLED)  ## train what the registry lacks, then serve chorus.toml
	@$(BIN)/chorus train --missing
	@exec $(BIN)/chorus serve

test: $(INSTALLED)  ## run all tests
	@tests/packages
	@$(BIN)/python tests/environments.py
	@$(BIN)/pytest

bench: $(INSTALLED)  ## measure Chorus next to its baselines; QUICK=1, SCENARIOS="one-row straggler", SECONDS=2, ROUNDS=3, WRITE=1
	@benchmarks/packages
	@$(BIN)/chorus train --missing
	@$(BIN)/python -m benchmarks $(SCENARIOS) $(if $(QUICK),--quick) $(if $(SECONDS),--seconds $(SECONDS)) \
		$(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(REQUESTS),--requests $(REQUESTS)) $(if $(WRITE),--write)

chaos: $(INSTALLED)  ## break what can break around running servers; QUICK=1, GOALS="G1 G2", LOOP=asyncio, WRITE=1
	@$(BIN)/chorus train --missing
	@$(BIN)/python -m tests.chaos $(GOALS) $(if $(QUICK),--quick) $(if $(LOOP),--loop $(LOOP)) $(if $(WRITE),--write)

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
