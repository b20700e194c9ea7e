# Every target works in a fresh checkout: the virtual environment is made when there is none.
# PYTHON=python3.13 chooses the interpreter that a new environment is made with.

PYTHON ?= python3
VENV   ?= .venv
PY     := $(VENV)/bin/python
READY  := $(VENV)/.ready
JOBS   ?= 6
ARGS   ?=

.PHONY: demo report screens test coverage fuzz lint bench conformance otlp-real clean

demo: $(READY)  ## a deadlock, found while it happens
	UNSTUCK=1 $(PY) examples/bank_transfer.py

report: $(READY)  ## what the examples get into, told afterwards: build/report.html
	mkdir -p build && rm -f build/findings.jsonl
	for each in examples/*.py; do \
		UNSTUCK=1 UNSTUCK_INTERVAL=100ms UNSTUCK_SINKS=jsonl:build/findings.jsonl $(PY) $$each || exit 1; \
	done
	$(VENV)/bin/unstuck report --html --output build/report.html build/findings.jsonl

screens: $(READY)  ## the dashboard on live programs, as SVG in docs/screens
	$(PY) -m tests.gallery

# Most tests wait more than they work: more of them at once than there are processors.
test: $(READY)  ## JOBS at once; ARGS goes to pytest
	$(PY) -m pytest --numprocesses $(JOBS) --dist worksteal $(ARGS)

coverage: $(READY)  ## the tests again, and what of the agent they did not run
	$(PY) -m coverage run -m pytest --numprocesses $(JOBS) --dist worksteal $(ARGS)
	$(PY) -m coverage combine --quiet
	$(PY) -m coverage report --skip-covered --skip-empty

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

otlp-real: $(READY)  ## exporting to backends that others have made: rotel, and VictoriaMetrics
	$(PY) -m tests.otlp_real

clean:
	rm -rf $(VENV) build dist .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

# The pip that Debian ships does not know dependency groups yet, so it is brought up to date first.
$(READY): pyproject.toml unstuck.pth
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(PY) -m pip install --quiet --disable-pip-version-check --editable . --group dev
	touch $@
