# What people type. Each target makes the virtual environment that it needs, in .venv.
#
#   make PYTHON=python3.13 test            another Python (3.11 or newer)
#   make test ARGS="-k canary"             more words for the command behind a target
#   make WORKERS=8 test                    so many tests at a time; half of the time they wait, so it may be twice the cores

PYTHON ?= python3
ARGS ?=
WORKERS ?= 4
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check format lint types layers bench clean
.NOTPARALLEL:
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

help:  ## This list
	@echo "Sluice: releases from where teams talk."
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.runtime  ## A gray release on this machine, with a web console; Ctrl-C ends it (ARGS=--script: by itself)
	@$(BIN)/sluice demo $(ARGS)

test: $(VENV)/.test  ## Every test; those whose parts are missing on this machine are skipped and say why
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

check: format lint types layers  ## Format, lint, types and layers

format: $(VENV)/.test
	@echo "── format"; $(BIN)/ruff format --check .

lint: $(VENV)/.test
	@echo "── lint"; $(BIN)/ruff check .

types: $(VENV)/.test
	@echo "── types"; $(BIN)/mypy bot engine storage tests

layers: $(VENV)/.test
	@echo "── layers"; $(BIN)/lint-imports

bench: $(VENV)/.bench  ## How fast it is, measured here, as a table and as bench-results/bench.json
	@mkdir -p bench-results
	@$(BIN)/python -m tests.bench --json bench-results/bench.json $(ARGS)

clean:  ## Take away the virtual environment and every cache
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info build dist

# What is installed is remembered in stamp files, made anew when pyproject.toml changes.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Sluice needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name one: make PYTHON=python3.12 ...")'
	@echo "── a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "On Debian: apt install python3-venv"; exit 1; }

$(VENV)/.runtime: EXTRA :=
$(VENV)/.test: EXTRA := [test]
$(VENV)/.bench: EXTRA := [test,bench]
$(VENV)/.runtime $(VENV)/.test $(VENV)/.bench: pyproject.toml | $(BIN)/python
	@echo "── installing sluice-bot$(EXTRA); the first time takes a minute or two"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-input --editable '.$(EXTRA)'
	@touch $@
