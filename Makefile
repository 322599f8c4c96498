# `make bench` and `make test` install what they need into .venv; `make help` lists the rest.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PLUGINS := $(VENV)/.plugins
PLUGIN_SOURCES := $(wildcard plugins/*/Cargo.* plugins/*/pyproject.toml plugins/*/src/*.rs plugins/*/src/*/*.rs plugins/*/python/*/*)
INTEGRATIONS := .venv-integrations
FRAMEWORKS := .venv-frameworks
DOCS := .venv-docs
PURE := records comparison diagnosis
COVERED := 95
JOBS ?= 2
# Files in the order of collection, which begins with those that take long.
PARALLEL = -n $(JOBS) --dist loadfile --no-loadscope-reorder
SIZE ?=
REPLICATES ?= 1
TORCH ?=
TORCH_WAIT_S ?=
# Only the installation hears of them: what is measured notes each variable that begins so.
unexport TORCH TORCH_WAIT_S
export PYTHON
# What is compiled once is kept, also where the shell says otherwise: tests start Python hundreds of times.
test: export PYTHONDONTWRITEBYTECODE :=
test-%: export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help install bench bench-harness bench-rounds bench-why bench-ladder bench-hook bench-rust test test-quick test-commands test-answers test-integrations torture check docs
.PHONY: lint types pytest coverage rust format wheels clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  variables: PYTHON=python3 (one that holds torch is built upon), SIZE=tiny|small|full, REPLICATES=1,"
	@echo "             TORCH=cpu (a new .venv gets torch's CPU build, without CUDA's libraries)"

$(STAMP): pyproject.toml scripts/install.sh
	@TORCH="$(TORCH)" TORCH_WAIT_S="$(TORCH_WAIT_S)" bash scripts/install.sh $(VENV)

$(PLUGINS): $(STAMP) $(PLUGIN_SOURCES) scripts/plugins.sh
	@bash scripts/plugins.sh $(VENV)

install: $(PLUGINS) ## Install into .venv; the other targets do this by themselves

bench: $(PLUGINS) ## Measure every loader x step on three workloads, print the table, make the pages
	@$(BIN)/feedrate bench --size "$(SIZE)" --replicates $(REPLICATES)

bench-harness: $(STAMP) ## Measure what feedrate's own loop costs
	@$(BIN)/python scripts/overhead.py

bench-rounds: $(STAMP) ## Measure what timing by turns is worth beside a neighbour that disturbs (some minutes)
	@$(BIN)/python scripts/rounds.py

bench-why: $(STAMP) ## Measure what a verdict costs beside a plain measurement (some minutes)
	@$(BIN)/python scripts/verdict_cost.py

bench-ladder: $(PLUGINS) ## Measure whether the parts of nine cells sum to what loader and step take together (20 minutes)
	@$(BIN)/python scripts/ladder_sums.py

bench-hook: $(STAMP) ## Measure what `why -- COMMAND` costs a batch, at Python's start, and until its first words
	@$(BIN)/python scripts/hook_cost.py

bench-rust: $(PLUGINS) ## Measure the Rust loader alone against the others and the floor (a quarter of an hour)
	@$(BIN)/python plugins/rust_prefetch/bench --json out/bench-rust.json

test: lint types pytest rust ## Formatting, lint, types, tests, and the Rust checks where cargo is (eleven minutes on two cores)

check: test test-commands test-answers ## All tests but those with environments of their own

lint: $(STAMP)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: $(PLUGINS)
	@$(BIN)/mypy

pytest: coverage # and then all the rest that nothing disturbs, JOBS at a time (0: in one process)
	@$(BIN)/python -m pytest -m "not alone and not answer and not command and not integration and (process or not pure)" $(PARALLEL)

test-commands: $(PLUGINS) ## Whole commands and cells, as a person runs them: measuring, asv over commits, examples, kills
	@$(BIN)/python -m pytest -m "command and not alone and not answer" $(PARALLEL)

coverage: $(PLUGINS) # of the packages that need no process, by their own tests
	@$(BIN)/python -m pytest -m "pure and not process" --cov --cov-report= $(PARALLEL) $(PURE:%=tests/%)
	@for package in $(PURE); do \
		$(BIN)/python -m coverage report --include "src/feedrate/$$package/*" --skip-covered --fail-under $(COVERED) || exit 1; done

test-quick: $(PLUGINS) ## Only tests that start no process and are over at once (a minute and a half)
	@$(BIN)/python -m pytest -m "not process and not slow and not integration" $(PARALLEL)

test-answers: $(PLUGINS) ## Tests that need the machine for themselves: known answers, times and races (half an hour)
	@$(BIN)/python -m pytest -m "answer or alone"

$(INTEGRATIONS)/.installed: pyproject.toml scripts/install.sh
	@TORCH="$(TORCH)" bash scripts/install.sh $(INTEGRATIONS) integrations

# None of these packages may lie beside a base install, whose tests ask what it does without them.
$(FRAMEWORKS)/.installed: pyproject.toml scripts/install.sh
	@TORCH="$(TORCH)" bash scripts/install.sh $(FRAMEWORKS) frameworks

$(FRAMEWORKS)/.peers: $(FRAMEWORKS)/.installed $(wildcard plugins/peers/pyproject.toml plugins/peers/*/*.py)
	@$(FRAMEWORKS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall plugins/peers
	@touch $@

# Laid over .venv: the site needs feedrate's parsers, and no torch of its own.
$(DOCS)/.installed: $(STAMP) pyproject.toml scripts/install.sh
	@PYTHON=$(BIN)/python bash scripts/install.sh $(DOCS) docs

docs: $(DOCS)/.installed ## Build the documentation into out/docs, and look whether each of its links leads somewhere
	@$(DOCS)/bin/python -m scripts.docs

test-integrations: $(INTEGRATIONS)/.installed $(FRAMEWORKS)/.peers $(DOCS)/.installed ## A base install, trainings with frameworks, and the documentation, in environments of their own
	@$(INTEGRATIONS)/bin/python -m pytest tests/integrations --ignore tests/integrations/frameworks --ignore tests/integrations/documentation $(PARALLEL)
	@$(FRAMEWORKS)/bin/python -m pytest tests/integrations/frameworks -n $(JOBS)
	@$(DOCS)/bin/python -m pytest tests/integrations/documentation

torture: $(PLUGINS) ## Kill runs at random moments, and damage whatever is read (10 minutes; CONTRIBUTING.md)
	@BIN=$(BIN) bash scripts/torture.sh

rust: export CARGO_TARGET_DIR := $(CURDIR)/.asv/env/cargo
rust: export RUSTFLAGS := -D warnings
rust: export RUSTC_WORKSPACE_WRAPPER := clippy-driver
rust: $(PLUGINS) # clippy compiles what is ours, and the tests are what it compiled: one build of the dependencies for both
	@for manifest in $(wildcard plugins/*/Cargo.toml); do \
		if ! command -v cargo >/dev/null; then echo "rust: cargo is not here; $$manifest is not checked"; continue; fi; \
		cargo fmt --check --manifest-path $$manifest \
			&& cargo test --manifest-path $$manifest \
			&& $(BIN)/mypy --no-explicit-package-bases $${manifest%/*}/python $${manifest%/*}/tests_py $${manifest%/*}/bench \
			&& $(BIN)/python -m pytest $${manifest%/*}/tests_py $(PARALLEL) || exit 1; done

format: $(STAMP) ## Format the code and mend what lint can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

wheels: $(STAMP) ## Build wheels for a machine without network (scripts/gpu.sh uses them)
	@BIN=$(BIN) bash scripts/wheels.sh wheels

clean: ## Remove what the targets made: environment, data, logs, pages; results stay
	rm -rf $(VENV) $(INTEGRATIONS) $(FRAMEWORKS) $(DOCS) .coverage .asv data logs wheels build dist .mypy_cache .ruff_cache .pytest_cache
