# Everything happens inside this checkout: in .venv, dist and the caches that .gitignore names.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SCRATCH := $(CURDIR)/$(VENV)/tmp
ENVIRONMENT := TMPDIR=$(SCRATCH) PIP_CACHE_DIR=$(CURDIR)/$(VENV)/cache PIP_DISABLE_PIP_VERSION_CHECK=1

.PHONY: demo test lint check interop benchmarks render clean

## demo: set up, then verify an echoscp of our own
demo: $(VENV)/ready-to-run
	$(BIN)/python tools/demo.py

## test: set up, then check and test the built wheel
test: lint check

## lint: style, types, direction of imports, generated files
lint: $(VENV)/ready-to-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tools/render.py --check

## check: the tests that need nothing but this machine's Python, with the coverage of the installed wheel
check: $(VENV)/ready-to-test
	$(ENVIRONMENT) $(BIN)/coverage run -m pytest -m "not interop" $(PYTEST_OPTIONS)
	$(BIN)/coverage report --format=total --fail-under=$(MINIMUM_COVERAGE)

## interop: the tests with DCMTK, pynetdicom, Orthanc, GDCM, odil and tshark, as far as they are installed
interop: $(VENV)/ready-to-test
	$(ENVIRONMENT) $(BIN)/python -m pytest -m interop $(PYTEST_OPTIONS)

## benchmarks: measure beside the peers; takes a quarter of an hour and wants a quiet machine
benchmarks: $(VENV)/ready-to-test
	$(BIN)/python -m benchmarks

## render: write manual pages, completions and option reference anew from the option table
render: $(VENV)/ready-to-test
	$(BIN)/python tools/render.py

clean:
	rm -rf $(VENV) dist .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis

MINIMUM_COVERAGE := 90
SOURCES := pyproject.toml README.md $(shell find src share -type f -not -name '*.pyc')

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	mkdir -p $(SCRATCH)

$(VENV)/ready-to-run: $(SOURCES) | $(VENV)/bin/python
	$(ENVIRONMENT) $(BIN)/python -m pip install --quiet .
	touch $@

$(VENV)/tools: requirements/dev.txt | $(VENV)/bin/python
	$(ENVIRONMENT) $(BIN)/python -m pip install --quiet --requirement requirements/dev.txt
	touch $@

$(VENV)/ready-to-test: $(SOURCES) $(VENV)/tools
	rm -rf dist
	$(ENVIRONMENT) $(BIN)/python -m build --no-isolation --outdir dist .
	$(ENVIRONMENT) $(BIN)/python -m pip install --quiet --force-reinstall --no-deps dist/dcmecho-*.whl
	$(ENVIRONMENT) $(BIN)/python -m pip install --quiet dist/dcmecho-*.whl
	touch $@
