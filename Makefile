# Each target makes the virtual environment it needs from nothing but Python 3.11 or newer.
#   make demo | test | docs | bench | reproduce SYSTEM=hmm [QUICK=1] | reproduce-full | clean
# PYTHON chooses the interpreter of a new environment, VENV its folder.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory --no-builtin-rules
.NOTPARALLEL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV ?= .venv
SYSTEM ?= hmm
# Workers of pytest-xdist; 0 runs in one process. A file's tests share a worker, and so what JAX compiled.
WORKERS ?= 2
BIN := $(VENV)/bin
export MPLBACKEND := agg
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

DEMO_EXTRAS := [demo]
DEVELOP_EXTRAS := [test,docs]

# Prints what it does, does it, prints the seconds: $(call step,title,command)
define step
echo "== $(1)"; began=$$SECONDS; $(2); echo "   $$((SECONDS - began)) s"
endef

.PHONY: help demo test lint check-docs unit docs bench reproduce reproduce-full clean

help:
	@sed -n '2,3s/^# *//p' Makefile

$(VENV)/.stamp-python:
	@python="$(PYTHON)"; \
	usable='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'; \
	if [ -z "$$python" ]; then \
	  for candidate in python3.11 python3.12 python3.13 python3; do \
	    if "$$candidate" -c "$$usable" > /dev/null 2>&1; then python="$$candidate"; break; fi; \
	  done; \
	  if [ -z "$$python" ]; then \
	    echo "neurodyn needs Python 3.11 or newer with the venv module; none of python3.11, python3.12," \
	         "python3.13, python3 is one. Install it, or name an interpreter: make PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	  fi; \
	elif ! "$$python" -c "$$usable" > /dev/null 2>&1; then \
	  echo "PYTHON=$$python is not Python 3.11 or newer with the venv module; name another interpreter." >&2; \
	  exit 1; \
	fi; \
	$(call step,virtual environment in $(VENV) with $$("$$python" --version 2>&1),"$$python" -m venv "$(VENV)")
	@touch $@

$(VENV)/.stamp-demo: pyproject.toml | $(VENV)/.stamp-python
	@$(call step,installing neurodyn for the demo (about 1 GB; a few minutes),$(BIN)/python -m pip install --quiet --no-compile -e '.$(DEMO_EXTRAS)')
	@touch $@

$(VENV)/.stamp-develop: pyproject.toml | $(VENV)/.stamp-python
	@$(call step,installing neurodyn with its tests and documentation (a few minutes),$(BIN)/python -m pip install --quiet --no-compile -e '.$(DEVELOP_EXTRAS)')
	@touch $(VENV)/.stamp-demo $@

demo: $(VENV)/.stamp-demo
	@$(call step,neurodyn demo,$(BIN)/neurodyn demo)

# pytest comes last: its closing line is what continuous integration reads.
test: $(VENV)/.stamp-develop
	@began=$$SECONDS; $(MAKE) lint; $(MAKE) check-docs; $(MAKE) unit; echo "make test: $$((SECONDS - began)) s"

lint: $(VENV)/.stamp-develop
	@$(call step,ruff check,$(BIN)/ruff check)
	@$(call step,ruff format --check,$(BIN)/ruff format --check)
	@$(call step,import-linter,$(BIN)/lint-imports)
	@$(call step,pyright,$(BIN)/pyright --pythonpath $(BIN)/python)

# A folder of its own beside that of `make docs`; -E because pages of the reference depend on the code.
check-docs: $(VENV)/.stamp-develop
	@rm -rf docs/_build/check docs/api/generated
	@$(call step,documentation (gallery not executed),$(BIN)/sphinx-build -W --keep-going -q -E -D plot_gallery=0 -d docs/_build/check-doctrees docs docs/_build/check)

unit: $(VENV)/.stamp-develop
	@$(call step,pytest,$(BIN)/pytest -n $(WORKERS) --dist loadfile --doctest-modules tests neurodyn)

docs: $(VENV)/.stamp-develop
	@$(call step,documentation with the gallery executed,$(BIN)/sphinx-build -W --keep-going -q -E docs docs/_build/html)
	@echo "open docs/_build/html/index.html"

bench: $(VENV)/.stamp-develop
	@$(call step,benchmarks,$(BIN)/python benchmarks/run.py)

reproduce: $(VENV)/.stamp-develop
	@$(BIN)/python benchmarks/reproduce.py $(SYSTEM)

reproduce-full: $(VENV)/.stamp-develop
	@$(BIN)/python benchmarks/reproduce.py $(SYSTEM) --full

clean:
	rm -rf $(VENV) benchmarks/envs docs/_build docs/gallery docs/api/generated docs/sg_execution_times.rst \
	  build dist .pytest_cache .ruff_cache .import_linter_cache demo-report neurodyn-demo
	find neurodyn tests benchmarks examples docs -name __pycache__ -type d -prune -exec rm -rf {} +
