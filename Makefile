# `make` prints this help. Nothing needs preparing: Python 3.11 or 3.12, a C compiler and git.
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))
PYTHON ?= $(shell for python in python3.12 python3.11 python3 python; do $$python -c '$(FITS)' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint chaos bench-decide bench-bus bench-clock bench-import soak definitions contract release-templates rotation format lock clean

help: ## Print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(BIN)/.installed ## Make .venv and install what is pinned in requirements-dev.txt

$(BIN)/.installed: requirements-dev.txt pyproject.toml
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(FITS)' || { echo "Python 3.11 or 3.12 is needed (the rule engine cannot be imported on 3.13). Name yours: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@command -v cc >/dev/null || command -v gcc >/dev/null || { echo "A C compiler is needed (durable_rules is built from source); on Debian: apt-get install build-essential" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Replay a whole rotation through all four services (under a minute), and show what it showed
	@$(BIN)/tripartite demo

test: setup ## Run every test, two files at once
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: setup ## Formatting, lint, types, and who may import whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

chaos: setup ## Kill brokers, databases and workers at random under 20,000 placements, and account for every event (half an hour)
	@$(BIN)/python -m tests.chaos

bench-bus: setup ## Time the bus against a floor, FastStream and Celery, in ratios; fails if a goal is missed
	@$(BIN)/python -m tests.bench.bus

bench-clock: setup ## Time the clock with 10,000 and with 1,000,000 deadlines open, in ratios; fails if a goal is missed
	@$(BIN)/python -m tests.bench.clock

bench-decide: setup ## Time one decision against its peers, in ratios; fails if a goal is missed
	@$(BIN)/python -m tests.bench.decide

bench-import: setup ## Import 100,000 rows of the bulk upload over HTTP: time, rows/s, memory; fails if memory grows with them
	@$(BIN)/python -m tests.bench.import_rows

rotation: setup ## The whole sample rotation on RabbitMQ and PostgreSQL, its mail through SMTP and GOV.UK Notify's API: each alert once (minutes)
	@$(BIN)/python -m tests.end_to_end.rotation

soak: setup ## Sixteen threads, 200,000 decisions: none wrong, no memory lost (half a minute)
	@$(BIN)/python -m tests.shared.test_soak

definitions: setup ## Make the broker's definitions anew from the code
	$(BIN)/python -m deploy.rabbitmq.definitions > deploy/rabbitmq/definitions.json

contract: setup ## Make the AsyncAPI document and the JSON Schemas anew from the code
	$(BIN)/tripartite events --write

release-templates: setup ## Release the templates of messages that are new: from then on they never change
	$(BIN)/python -m tests.notifications.letters release

format: setup ## Put the code into the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: setup ## Pin both requirements files anew (needs uv), with hashes and without index addresses
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --output-file requirements.txt pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --group dev --output-file requirements-dev.txt pyproject.toml

clean: ## Remove what was made here: .venv, caches, data
	rm -rf .venv .demo data .pytest_cache .mypy_cache .ruff_cache .hypothesis
