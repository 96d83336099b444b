# Bare `make` prints this help. Every target does all of its own set-up: nothing but Python 3.11+ and a package index.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo demo-cluster test check lint types layers pytest crash bench overhead congestion durability inbound lock wheel clean

help:  ## show this help
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11"; exit 1; }
	@echo "setting up $(VENV) (once)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

demo: $(STAMP)  ## sixteen agencies, one hub: watch a land dossier go both ways, an agency hang, the hub be killed
	@$(BIN)/hub demo

demo-cluster: $(STAMP)  ## PostgreSQL, Redis, two hubs: one is killed under load, the other takes over, nothing is lost
	@$(BIN)/python -m bench.demo_cluster

test: lint types layers pytest  ## everything that must be green

lint: $(STAMP)  ## ruff
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(STAMP)  ## mypy --strict
	@$(BIN)/mypy

layers: $(STAMP)  ## who may import whom
	@$(BIN)/lint-imports

pytest: $(STAMP)  ## all tests, warnings are errors
	@$(BIN)/pytest -n auto --dist worksteal

crash: $(STAMP)  ## only the crash tests, of all that `make test` runs: kill, freeze and fill up whatever a hub stands on
	@$(BIN)/pytest -n auto --dist worksteal tests/integration/test_crash_*.py

check: $(STAMP)  ## check every connector folder
	@$(BIN)/hub check

bench: overhead congestion durability inbound  ## all benchmarks; results and plots go to bench/results

overhead: $(STAMP)  ## what the hub costs, beside its peers: four minutes
	@$(BIN)/python -m bench.overhead

congestion: $(STAMP)  ## whether its lanes can congest, beside a naive gateway: ten minutes
	@$(BIN)/python -m bench.congestion

durability: $(STAMP)  ## what it costs that nothing is lost, beside taskiq and Celery: five minutes
	@$(BIN)/python -c 'import celery, taskiq_redis' 2>/dev/null || \
	  $(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --editable '.[bench]'
	@$(BIN)/python -m bench.durability

inbound: $(STAMP)  ## what it costs to be told by agencies, and to be flooded by one: seven minutes
	@$(BIN)/python -m bench.inbound

wheel: $(STAMP)  ## build the wheel into dist/
	@$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .

lock:  ## renew requirements.lock from pyproject.toml (needs `uv` on PATH)
	@uv pip compile -q --universal --upgrade --generate-hashes --no-annotate --no-header \
	  --python-version 3.11 --extra server --extra dev pyproject.toml -o requirements.new
	@{ echo '# Every library of hub and tests, pinned with hashes. Made by `make lock`; do not edit.'; cat requirements.new; } > requirements.lock
	@rm requirements.new
	@uv pip compile -q --universal --generate-hashes --no-annotate --no-header \
	  --python-version 3.11 --extra server -c requirements.lock pyproject.toml -o requirements.new
	@{ echo '# Every library of the hub alone, pinned with hashes, for its image. Made by `make lock`; do not edit.'; cat requirements.new; } > deploy/requirements.lock
	@rm requirements.new

clean:  ## remove what the targets made
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
