# `make demo` and `make test` need Python 3.11 or later, pip and make; each sets itself up.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WEB := collector/web
STATIC := collector/nilometer_collector/static
ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Without bytecode on the disk, each of the hundreds of processes of a test run compiles all modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test check lint types layers generated web web-check web-api proto settings commands bench quality faults format clean telemetry e2e injection lock coverage speedups sanitize

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.made:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "nilometer needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)
	touch $@

# One stamp an extra, so that a changed pyproject or lock installs again and nothing else does.
$(VENV)/.installed-%: $(VENV)/.made pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$*]'
	touch $@

LOCK_VENV := .venv-lock

lock: ## Renew constraints.txt, the versions that the targets install
	$(PYTHON) -m venv $(LOCK_VENV)
	$(LOCK_VENV)/bin/python -m pip install --quiet uv
	$(LOCK_VENV)/bin/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
		--upgrade --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet \
		--output-file constraints.txt

# The pages: built with the machine's Node where there is one, else with Node from a Python wheel.
$(STATIC)/index.html: $(VENV)/.made $(shell find $(WEB) -type f -not -path '*/node_modules/*' 2>/dev/null)
	$(BIN)/python scripts/build_web.py

web: $(STATIC)/index.html ## Build the collector's pages

web-check: $(VENV)/.made ## Types and unit tests of the pages
	$(BIN)/python scripts/build_web.py --check

demo: $(VENV)/.installed-demo $(STATIC)/index.html ## Real flights, a fault, the alert that names it
	@$(BIN)/nilometer demo $(ARGS)

# One more worker than cores, because a test waits for half of its time.
WORKERS := $(shell $(PYTHON) -c 'import os; print(min((os.cpu_count() or 1) + 1, 4))')

# Stores sync each commit. In memory that costs nothing; tests that need a disk bring their own.
SCRATCH = $(shell $(PYTHON) scripts/scratch.py)

test: $(VENV)/.installed-test $(STATIC)/index.html ## Unit, property, integration and browser tests
	TMPDIR=$(SCRATCH) $(BIN)/python -m pytest -n $(WORKERS) --durations 15 $(ARGS)

SECONDS ?= 30

e2e: $(VENV)/.installed-test $(STATIC)/index.html ## Replay through rotel, the OpenTelemetry Collector, Prometheus
	NILOMETER_E2E=1 NILOMETER_E2E_SECONDS=$(SECONDS) $(BIN)/python -m pytest tests/e2e tests/collector/api/test_contract.py -s $(ARGS)

# Built from the sources like a user's wheel, into a folder of its own: the tests run with what the
# virtual environment holds, which is Python only, and once more with this folder in front.
SPEEDUPS := .venv-speedups
SPEEDUPS_SOURCES := $(shell find speedups -type f -not -path '*/build/*' -not -name '*.pyc' 2>/dev/null)
SANITIZED := -O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer

$(SPEEDUPS)/.made: $(VENV)/.installed-test $(SPEEDUPS_SOURCES)
	rm -rf $(SPEEDUPS) speedups/build && mkdir $(SPEEDUPS)
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir $(SPEEDUPS)/wheels ./speedups
	$(BIN)/python -m pip install --quiet --no-deps --target $(SPEEDUPS)/installed $(SPEEDUPS)/wheels/*.whl
	touch $@

$(SPEEDUPS)/.sanitized: $(SPEEDUPS)/.made
	rm -rf speedups/build  # a library of other flags would be taken as it is
	CFLAGS='$(SANITIZED)' LDFLAGS='-fsanitize=address,undefined' \
		$(BIN)/python -m pip install --quiet --no-deps --no-cache-dir --target $(SPEEDUPS)/sanitized ./speedups
	nm -D $(SPEEDUPS)/sanitized/nilometer_speedups/*.so | grep __asan_ > /dev/null
	touch $@

WITH_SPEEDUPS = PYTHONPATH=$(CURDIR)/$(SPEEDUPS)/installed NILOMETER_SPEEDUPS=required

speedups: $(SPEEDUPS)/.made ## Build nilometer-speedups; its tests, and those of the request path with it
	$(WITH_SPEEDUPS) $(BIN)/python -m pytest -n $(WORKERS) speedups/tests tests/capture tests/handoff $(ARGS)
	$(WITH_SPEEDUPS) $(BIN)/python speedups/fuzz.py $(FUZZ_SECONDS)

FUZZ_SECONDS ?= 10

sanitize: $(SPEEDUPS)/.sanitized ## The tests of nilometer-speedups under the sanitizers of addresses and undefined behaviour
	export LD_PRELOAD="$$(cc -print-file-name=libasan.so) $$(cc -print-file-name=libubsan.so)" \
		ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1 PYTHONMALLOC=malloc \
		PYTHONPATH=$(CURDIR)/$(SPEEDUPS)/sanitized NILOMETER_SPEEDUPS=required; \
	$(BIN)/python -m pytest -p no:cacheprovider speedups/tests $(ARGS); \
	$(BIN)/python speedups/fuzz.py $(FUZZ_SECONDS)

check: lint types layers generated web-check ## Lint, types, layers, generated code, the pages

lint: $(VENV)/.installed-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python scripts/check_shape.py
	$(BIN)/codespell
	$(BIN)/validate-pyproject pyproject.toml

types: $(VENV)/.installed-check
	$(BIN)/mypy --python-version 3.11
	$(BIN)/mypy --python-version 3.14

layers: $(VENV)/.installed-check
	$(BIN)/lint-imports

# The generator has a place of its own: it wants an older protobuf than the run time may have, and
# the oldest generated code is what most model servers can load.
PROTO_VENV := .venv-proto

$(PROTO_VENV)/.made:
	$(PYTHON) -m venv $(PROTO_VENV)
	$(PROTO_VENV)/bin/python -m pip install --quiet grpcio-tools==1.76.0
	touch $@

generated: $(PROTO_VENV)/.made $(VENV)/.installed-check
	$(PROTO_VENV)/bin/python scripts/generate_proto.py --check
	$(BIN)/python scripts/generate_settings.py --check
	$(BIN)/python scripts/generate_commands.py --check
	$(BIN)/python scripts/generate_telemetry.py --check
	$(BIN)/python scripts/generate_injection.py --check
	$(BIN)/python scripts/generate_web_api.py --check

proto: $(PROTO_VENV)/.made ## Generate nilometer.v1 from proto/
	$(PROTO_VENV)/bin/python scripts/generate_proto.py

settings: $(VENV)/.installed-check ## Generate docs/settings.md and the typed capture options from the code
	$(BIN)/python scripts/generate_settings.py

commands: $(VENV)/.installed-check ## Generate docs/commands.md, the help of every command
	$(BIN)/python scripts/generate_commands.py

telemetry: $(VENV)/.installed-check ## Generate metrics page, dashboard and rules from the table
	$(BIN)/python scripts/generate_telemetry.py

injection: $(VENV)/.installed-check ## Generate the policy that injects the agent from the sidecar's manifest
	$(BIN)/python scripts/generate_injection.py

web-api: $(VENV)/.installed-check ## Generate the pages' types from the OpenAPI document
	$(BIN)/python scripts/generate_web_api.py

bench: $(VENV)/.installed-bench ## Cost and size beside the peers, as ratios
	PYTHONPATH=tests $(BIN)/python -m benchmarks $(ARGS)

coverage: $(VENV)/.installed-check $(STATIC)/index.html ## Lines and branches that no test reaches
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --cov --cov-report=term $(ARGS)

# Drawn once per run, because `?=` would draw again at each use.
ifndef SEED
SEED := $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
endif

quality: $(VENV)/.installed-bench ## Accuracy of the sketches, alarms, random examples with their seed, the HTTP API at length
	@echo 'hypothesis seed: $(SEED), repeat with make quality SEED=$(SEED)'
	$(BIN)/python -m pytest -n auto --maxprocesses 4 -m hypothesis --timeout 600 \
		--hypothesis-profile=random --hypothesis-seed=$(SEED) $(ARGS)
	$(BIN)/python -m benchmarks accuracy
	PYTHONPATH=tests $(BIN)/python -m quality.alarms
	PYTHONPATH=tests $(BIN)/python -m quality.agents
	PYTHONPATH=tests $(BIN)/python -m quality.language_models
	PYTHONPATH=tests $(BIN)/python -m quality.traffic
	PYTHONPATH=tests $(BIN)/python -m quality.uneven
	PYTHONPATH=tests $(BIN)/python -m quality.car_loan
	PYTHONPATH=tests $(BIN)/python -m quality.canary
	PYTHONPATH=tests $(BIN)/python -m quality.flights
	PYTHONPATH=tests $(BIN)/python -m quality.comparators
	PYTHONPATH=tests $(BIN)/python -m quality.peers
	PYTHONPATH=tests $(BIN)/python -m quality.performance
	PYTHONPATH=tests $(BIN)/python -m quality.causes
	PYTHONPATH=tests $(BIN)/python -m quality.concept_drift
	NILOMETER_LONG=1 $(BIN)/python -m pytest tests/quality tests/collector/api/test_contract.py -rA

faults: $(VENV)/.installed-test ## Kills, power loss, bad disks and wires for hours; a table with seeds
	PYTHONPATH=tests $(BIN)/python -m faults $(ARGS)

format: $(VENV)/.installed-check ## Apply the formatter and the safe fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove what the targets made
	rm -rf $(VENV) $(PROTO_VENV) .venv-node $(LOCK_VENV) .venv-peers $(STATIC) $(WEB)/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
