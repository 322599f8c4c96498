# `make bench` and `make test` install what they need into .venv; `make help` lists the rest.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SIZE ?=
REPLICATES ?= 1
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help install bench bench-harness test check lint types pytest rust format wheels clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  variables: PYTHON=python3 (one that holds torch is built upon), SIZE=tiny|small|full, REPLICATES=1"

$(STAMP): pyproject.toml scripts/install.sh
	@bash scripts/install.sh $(VENV)

install: $(STAMP) ## Install into .venv; the other targets do this by themselves

bench: $(STAMP) ## Measure every loader x step on three workloads, print the table, make the pages
	@$(BIN)/feedrate bench --size "$(SIZE)" --replicates $(REPLICATES)

bench-harness: $(STAMP) ## Measure what feedrate's own loop costs
	@$(BIN)/python scripts/overhead.py

test: check ## The same as check: what CI runs

check: lint types pytest rust ## Formatting, lint, types, tests, and the Rust checks where cargo is

lint: $(STAMP)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: $(STAMP)
	@$(BIN)/mypy

pytest: $(STAMP)
	@$(BIN)/python -m pytest

rust:
	@for manifest in $(wildcard plugins/*/Cargo.toml); do \
		if ! command -v cargo >/dev/null; then echo "rust: cargo is not here; $$manifest is not checked"; continue; fi; \
		cargo fmt --check --manifest-path $$manifest && cargo clippy --all-targets --manifest-path $$manifest -- -D warnings \
			&& cargo test --manifest-path $$manifest || exit 1; done

format: $(STAMP) ## Format the code and mend what lint can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

wheels: $(STAMP) ## Build wheels for a machine without network (scripts/gpu.sh uses them)
	@BIN=$(BIN) bash scripts/wheels.sh wheels

clean: ## Remove what the targets made: environment, data, logs, pages; results stay
	rm -rf $(VENV) .asv data logs wheels build dist .mypy_cache .ruff_cache .pytest_cache
