# Everything a contributor runs. Only Python 3.11+ with venv, and make, may be assumed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help up setup test check proto baseline demo bench soak fix clean

help: ## show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

up: $(READY) ## run Tekton: database, server and gateway on one port (options: make up ARGS="--port 8020")
	@exec $(BIN)/tekton up $(ARGS)

setup: $(READY) ## make the virtual environment and install everything into it

$(READY): pyproject.toml constraints.txt
	@echo "Setting up $(VENV) (once, about half a minute)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tekton needs Python 3.11 or newer; set PYTHON=python3.11 or later")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[server,dev]'
	@touch $@

# Most tests wait for processes, so that two at a time take little more than half as long; files stay whole.
test: $(READY) ## run the tests (options: make test ARGS="-k lease")
	@$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(READY) ## format, lint, types, layers, generated code, compatible contract
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python proto/generate.py --check
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code proto
	$(BIN)/buf breaking proto --against proto/baseline.binpb

proto: $(READY) ## generate stubs and descriptors from proto/
	$(BIN)/buf format -w proto
	$(BIN)/python proto/generate.py

baseline: $(READY) ## on purpose only: what the contract is now is what later changes have to keep to
	$(BIN)/python proto/generate.py --check
	$(BIN)/buf build --path proto/tekton --exclude-source-info --output proto/baseline.binpb

demo: $(READY) ## three components against a running Tekton: one is killed, a watcher sees it
	@$(BIN)/python examples/demo.py $(ARGS)

bench: $(READY) ## measure against the bare stack, beside nothing else (options: make bench ARGS="--help")
	@$(BIN)/python -m bench $(ARGS)

soak: $(READY) ## an hour of load at a tenth of the peak: is the memory flat? (options: make soak ARGS="--soak 600")
	@$(BIN)/python -m bench --soak 3600 $(ARGS)

fix: $(READY) ## format and repair what can be repaired
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
