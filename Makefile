# Each target makes what it needs; PYTHON names the interpreter that .venv is made from.
PYTHON ?= python3
BIN := .venv/bin
BUDGET_MIN ?= 30

# A play starts faster than its code compiles, so the compiled files are part of the set-up.
COMPILE = $(BIN)/python -m compileall -q src

.PHONY: all setup run test coverage lint bench bench-peers soak docs clean
all: lint test

.venv/.ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch .venv/.ready

setup: .venv/.ready            ## make .venv with everything in it, and the page
	@$(COMPILE)
	@$(BIN)/python tools/build_page.py

run: setup                     ## run the demonstration flow and show it again
	$(BIN)/hero-logic run --sandbox best examples/census.py && $(BIN)/hero-logic show last

test: setup                    ## the test suite: fixed seeds, at most ten minutes
	$(BIN)/python tools/test.py

coverage: setup                ## the test suite, and the lines that it does not reach
	$(BIN)/python tools/test.py --cov --cov-report=term

lint: setup                    ## formatting, lint, types, layers, spelling, generated files
	$(BIN)/python tools/lint.py

bench: setup                   ## our benchmarks beside their floors
	$(BIN)/python tools/bench.py

bench-peers: setup             ## beside Phoenix and MLflow, which it installs below build/
	$(BIN)/python tools/bench.py --peers

soak: setup                    ## the long versions of the tests: make soak BUDGET_MIN=10
	$(BIN)/python tools/soak.py --minutes $(BUDGET_MIN)

docs: setup                    ## regenerate what docs/ takes from the code
	$(BIN)/python tools/docs.py

clean:                         ## remove what the other targets made
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis htmlcov web/node_modules src/hero_logic/server/page
