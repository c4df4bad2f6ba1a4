# One way in: every target makes the environment it needs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
# Results must not depend on how many threads a library starts, and idle threads must not spin.
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= PASSIVE
export OPENBLAS_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1

.PHONY: help setup demo paper test check format lint types floors bench clean

help:  ## what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP)  ## make the virtual environment in .venv

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "scalelaw needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@rm -rf $(VENV)
	@echo "Making the environment in $(VENV) (downloads once, a few minutes) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP)  ## the main job, end to end: a published table, then a small real sweep, each to a PDF
	@$(BIN)/python -m scalelaw.demo

paper: $(STAMP)  ## every published table: fit, optimum, PDF (in reports/paper)
	@$(BIN)/python experiments/paper.py

test: $(STAMP)  ## the tests
	@$(BIN)/pytest -n 2

check: format lint types floors test  ## all that must hold: format, lint, types, floors, tests

format: $(STAMP)
	@$(BIN)/ruff format --check .

lint: $(STAMP)
	@$(BIN)/ruff check .

types: $(STAMP)
	@$(BIN)/mypy

floors: $(STAMP)
	@$(BIN)/lint-imports

bench: $(STAMP)  ## what the benchmarks measure on this machine
	@$(BIN)/pytest tests/benchmarks -o python_files='bench_*.py' -p no:xdist --benchmark-only --benchmark-columns=min,median,max,rounds

clean:  ## remove what was generated (environment, caches, sweeps, reports)
	@rm -rf $(VENV) sweeps reports/*.pdf reports/paper dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
