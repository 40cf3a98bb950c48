# Everything a person or a machine does with this project. `make` alone lists it.
#
# It needs Python 3.11 or newer and nothing else. Packages come from wherever your own pip configuration says; what is
# installed is fixed, with hashes, in requirements/ (complete, hence --no-deps).

PYTHON ?= python3
UV ?= uv
# More for pytest, for example: make test PYTEST_ARGS='-k capture -x'
PYTEST_ARGS ?=
# In per cent, statements and branches, for each of the rooms below by itself.
COVERAGE_MIN := 95
COVERED := psp ct bus workers handlers
# For make chaos: how long, the weather (none: drawn), and stand-in or emulator for Pub/Sub.
SECONDS := 120
SEED :=
SERVER := stand-in

# What `make simulate` runs.
SEEDS ?= 2000
FIRST ?= 1
# In how many seeds `make detect` tries each defect.
EACH ?= 200

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header $(UPGRADE)

.DEFAULT_GOAL := help
.PHONY: help run demo test check mutate simulate detect chaos enabler lock clean
.DELETE_ON_ERROR:

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.runtime ## pay in a demo shop on this machine: stand-ins, connector and shop, one URL
	@$(BIN)/ctpay run

demo: $(VENV)/.runtime ## play the payment stories without a browser and print what happened
	@$(BIN)/ctpay demo

test: check ## all checks and tests; what is missing on this machine is skipped and named
	$(BIN)/coverage erase
	$(BIN)/python -m pytest --cov --cov-report= --ignore=tests/simulation $(PYTEST_ARGS)
	@$(BIN)/coverage report
	@for room in $(COVERED); do \
	  $(BIN)/coverage report --include="$$room/*" --fail-under=$(COVERAGE_MIN) > /dev/null || \
	  { echo "Coverage of $$room/ is below $(COVERAGE_MIN) %: see the table above." >&2; exit 1; }; done
# Outside coverage, which would make it three times as long. (5: PYTEST_ARGS chose none of them.)
	$(BIN)/python -m pytest tests/simulation $(PYTEST_ARGS) || [ $$? -eq 5 ]
	@PYTHONPATH=tests $(BIN)/python -m simulation --seeds 2000

check: $(VENV)/.dev ## the checks without the tests: style, types, arrows between the rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

mutate: $(VENV)/.dev ## change the code on purpose and see whether the tests mind (long): functions, then tables
	rm -rf mutants
	$(BIN)/mutmut run
	@PYTHONPATH=tests $(BIN)/python -m mutation.functions
	@PYTHONPATH=tests $(BIN)/python -m mutation

simulate: $(VENV)/.dev ## run the product on virtual time with faults at every seam: make simulate SEEDS=200000 FIRST=1
	@PYTHONPATH=tests $(BIN)/python -m simulation --seeds $(SEEDS) --first $(FIRST)

detect: $(VENV)/.dev ## plant each known defect in the product and count the seeds that find it: make detect EACH=200
	@PYTHONPATH=tests $(BIN)/python -m simulation.detection --seeds $(EACH)

chaos: $(VENV)/.dev ## kill, pause and cut off real processes under load: make chaos SECONDS=600 SEED=7 SERVER=emulator
	@PYTHONPATH=tests $(BIN)/python -m processes --seconds $(SECONDS) --seed "$(SEED)" --server $(SERVER)

# Nobody needs Node.js to run or to serve the library: what this writes is committed, and a test builds it again.
enabler: ## build the browser library again (needs Node.js 20 and npm)
	cd enabler && npm ci --ignore-scripts --silent && npm run --silent build

lock: ## fix the versions again (needs uv); make lock UPGRADE=--upgrade takes the newest
	$(COMPILE) pyproject.toml -o requirements/runtime.txt
	$(COMPILE) pyproject.toml --extra dev -c requirements/runtime.txt -o requirements/dev.txt

clean: ## remove what make has made
	rm -rf $(VENV) enabler/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage* mutants
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "ctpay needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "Python cannot make a virtual environment here; on Debian: apt-get install python3-venv" >&2; exit 1; }

# The development set contains the runtime set, so it counts as both.
$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(BIN)/python
	@if [ ! -e $(VENV)/.dev ]; then echo "Installing what ctpay needs (half a minute, once) ..."; \
	  $(PIP) install --no-deps --require-hashes -r requirements/runtime.txt; fi
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "Installing what the tests need (a minute, once) ..."
	@$(PIP) install --no-deps --require-hashes -r requirements/dev.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.runtime
