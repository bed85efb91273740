# Two commands: `make demo` sets everything up and runs the main job, `make test` sets everything up and passes the tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= demo-output
DATA ?= ../shared/data

.PHONY: demo demo-hippocampus test check bench docs serve-docs clean
.DEFAULT_GOAL := demo

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@

demo: $(VENV)/.installed
	$(BIN)/neurograft demo --out $(OUT) --overwrite

demo-hippocampus: $(VENV)/.installed
	$(BIN)/neurograft demo --dataset msd-hippocampus --data-root $(DATA) --out $(OUT)-hippocampus --overwrite

test: $(VENV)/.installed-dev
	PYTHON=$(BIN)/python sh scripts/install-browser.sh
	$(BIN)/python -m pytest -n auto

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/gen/commands.py --check
	$(BIN)/python docs/gen/evaluation.py --check
	$(BIN)/python docs/gen/networks.py --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir site

bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/surfaces.py --data-root $(DATA)
	$(BIN)/python benchmarks/many_cases.py
	$(BIN)/python benchmarks/regions.py

docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir site

serve-docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

clean:
	rm -rf $(VENV) site .mypy_cache .ruff_cache .hypothesis build dist
