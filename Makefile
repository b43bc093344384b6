# One list of commands, for people and for CI. `make` alone prints it.
#
# Needs Python 3.11 or later with its venv module, make, git and a package index. Where uv is on PATH it is used (not wanted: UV=).
# pip and uv find their own settings as they always do. To use another Python: make PYTHON=/path/to/python3.12 test

SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:

ARGS ?=
JOBS ?= 2
UV ?= $(shell command -v uv 2>/dev/null)

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
PEERS := .peers

NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
wanted := $(PYTHON)
ifeq (,$(wanted))
# The first on PATH that is new enough.
override PYTHON = $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$p" -c '$(NEW_ENOUGH)' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
else ifneq ($(wanted),$(shell cat $(STAMPS)/python 2>/dev/null))
# The environment was made with another Python than the one now asked for: make it again.
$(shell rm -rf $(STAMPS))
endif

# `make test check` runs the tests once, with coverage.
with_coverage := $(filter check,$(MAKECMDGOALS))

.PHONY: help install demo test check lint types contracts bench bench-peers changelog clean

help:  ## print this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

install: $(STAMPS)/check  ## make .venv with everything that demo, tests, checks and benchmarks need

demo: $(STAMPS)/demo  ## run the molecular design campaign; with options: make demo ARGS="--seed 3"
	@$(BIN)/bailiwick demo $(ARGS)

test: $(STAMPS)/$(if $(with_coverage),check,test)  ## run the tests; some of them: make test ARGS="-k ledger"
	@$(BIN)/python -m pytest -q -n $(JOBS) $(if $(with_coverage),--cov --cov-report=term) $(ARGS)

check: lint types contracts test  ## run ruff, pyright, the import contracts, and the tests with coverage

lint: $(STAMPS)/check  ## run ruff only
	@echo "ruff check" && $(BIN)/ruff check --quiet .
	@echo "ruff format --check" && $(BIN)/ruff format --check --quiet . \
		|| { echo "not formatted as ruff would; mend with: $(BIN)/ruff format ." >&2; exit 1; }

types: $(STAMPS)/check  ## run pyright only
	@echo "pyright" && PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python

contracts: $(STAMPS)/check  ## check who imports whom only
	@echo "lint-imports" && $(BIN)/lint-imports --no-cache --no-logo

bench: $(STAMPS)/bench  ## measure; one folder or figure: make bench ARGS="agents --json"
	@$(BIN)/python -m benchmarks $(ARGS)

bench-peers: $(foreach peer,academy dbos langgraph,$(PEERS)/$(peer)/.installed)  ## install what we compare ourselves with, each into an environment of its own

changelog: $(STAMPS)/check  ## gather the fragments in changes/ into CHANGELOG.md
	@$(BIN)/towncrier build --yes

clean:  ## remove everything that make made
	rm -rf $(VENV) $(PEERS) dist build .coverage .coverage.* htmlcov .hypothesis .pytest_cache .ruff_cache

# Environments. A stamp says what is installed, so that nothing is installed twice; it lives in the environment and goes with it.

# $(call make_venv,FOLDER)
define make_venv
	if [ -n "$(PYTHON)" ] && ! "$(PYTHON)" -c '$(NEW_ENOUGH)' 2>/dev/null; then \
		echo "$(PYTHON) is not a Python 3.11 or later; name one that is: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 1; \
	elif [ -n "$(UV)" ]; then \
		"$(UV)" venv --quiet --clear --python "$(or $(PYTHON),>=3.11)" $(1); \
	elif [ -z "$(PYTHON)" ]; then \
		echo "no Python 3.11 or later on PATH; install one, or name it: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 1; \
	elif ! "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$(PYTHON) has no venv module; install it (on Debian and Ubuntu: apt install python3-venv), or install uv" >&2; exit 1; \
	else \
		"$(PYTHON)" -m venv --clear $(1); \
	fi
endef

# $(call install,FOLDER,REQUIREMENT)
define install
	if [ -n "$(UV)" ]; then \
		"$(UV)" pip install --quiet --python $(1)/bin/python $(2) \
			|| { echo "uv could not install (it does not read pip's settings); to use pip: make UV= $(MAKECMDGOALS)" >&2; exit 1; }; \
	else \
		$(1)/bin/python -m pip --version >/dev/null 2>&1 || $(1)/bin/python -m ensurepip >/dev/null; \
		$(1)/bin/python -m pip install --quiet $(2); \
	fi
endef

$(STAMPS)/python:
	@$(call make_venv,$(VENV))
	@mkdir -p $(STAMPS) && echo "$(PYTHON)" > $@

# One stamp for each extra; an extra that holds others stamps those too.
check_holds := test bench demo
test_holds := bench demo
bench_holds := demo

$(STAMPS)/%: pyproject.toml | $(STAMPS)/python
	@echo "installing bailiwick[$*] into $(VENV) ..."
	@$(call install,$(VENV),--editable '.[$*]')
	@touch $@ $(addprefix $(STAMPS)/,$($*_holds))

# A peer that cannot be installed is reported, and stops nobody.
$(PEERS)/academy/.installed: packages := 'academy-py~=1.0'
$(PEERS)/dbos/.installed: packages := 'dbos~=3.4' 'psycopg[binary]>=3.2'
$(PEERS)/langgraph/.installed: packages := 'langgraph~=1.2' 'langgraph-checkpoint-sqlite~=3.1'
$(PEERS)/%/.installed:
	@echo "installing $* into $(@D) ..."
	@if ( $(call make_venv,$(@D)); $(call install,$(@D),$(packages)) ); then touch $@; \
		else rm -rf $(@D); echo "$* could not be installed; figures compared with it will say so" >&2; fi
