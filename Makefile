# Every target works in a fresh checkout: the virtual environment is made when there is none.
# PYTHON=python3.13 chooses the interpreter that a new environment is made with.

PYTHON ?= python3
VENV   ?= .venv
PY     := $(VENV)/bin/python
READY  := $(VENV)/.ready
RUNNER ?= pytest
ARGS   ?=

.PHONY: demo test fuzz lint bench conformance clean

demo: $(READY)  ## a deadlock, found while it happens
	UNSTUCK=1 $(PY) examples/bank_transfer.py

test: $(READY)  ## RUNNER="coverage run -m pytest" measures coverage, ARGS goes to pytest
	$(PY) -m $(RUNNER) $(ARGS)

fuzz: $(READY)  ## random programs until interrupted, or FUZZ=N of them; SEED=N begins there
	$(PY) -m tests.fuzz $(if $(FUZZ),--programs $(FUZZ)) $(if $(SEED),--seed $(SEED))

lint: $(READY)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

bench: $(READY)
	$(PY) -m benchmarks

conformance: $(READY)
	$(PY) tests/conformance.py

clean:
	rm -rf $(VENV) build dist .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

# The pip that Debian ships does not know dependency groups yet, so it is brought up to date first.
$(READY): pyproject.toml unstuck.pth
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(PY) -m pip install --quiet --disable-pip-version-check --editable . --group dev
	touch $@
