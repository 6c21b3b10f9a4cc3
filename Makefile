# Encore's commands. The environment is made by itself and renewed only when pyproject.toml changed.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test check verify demo bench
.DEFAULT_GOAL := run

run: .venv/.run      ## Starts Encore: database, web server, workers; prints the address
	@exec $(BIN)/python -m config.start

test: .venv/.dev     ## Runs the suite against a throwaway PostgreSQL, and the browser journey where Chromium is found
	$(BIN)/pytest -n 2
	$(BIN)/pytest tests/test_journey.py -m "browser and not slow" -rs

check: .venv/.dev    ## Style, types, import order, migrations, settings; prints sizes and reach
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	ENCORE_HTTPS=true $(BIN)/python manage.py check --deploy --fail-level WARNING
	$(BIN)/pytest tests/test_architecture.py tests/test_documentation.py
	$(BIN)/python -m tests.sizes

verify: .venv/.dev   ## Longer journeys, fuzz and kill tests, every benchmark run small, everything in the browser
	$(BIN)/pytest -m "slow or browser" -rs

demo: .venv/.run     ## 300 simulated listeners live through days in minutes, in a database of its own; then serves it
	@ENCORE_VAR=var/demo ENCORE_SIMULATED=true $(BIN)/python -m config.start demo

bench: .venv/.bench  ## Measures every figure this project claims and writes docs/benchmarks.md
	$(BIN)/python -m bench

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Encore needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1 || echo missing)." ; \
	  echo "Name another one:  make $(MAKECMDGOALS) PYTHON=python3.12" ; exit 1 ; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv ; echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv" ; exit 1 ; }

.venv/.run: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

.venv/.dev: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch .venv/.run $@

.venv/.bench: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev,bench]"
	@touch .venv/.run .venv/.dev $@
