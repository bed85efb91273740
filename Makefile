# Two commands: `make demo` sets everything up and runs the main job, `make test` sets everything up and passes the tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= demo-output
DATA ?= ../shared/data
NNUNET_NEEDS := acvl-utils batchgenerators batchgeneratorsv2 blosc2 einops graphviz imagecodecs matplotlib nibabel \
	monai numexpr pandas psutil requests scikit-image scikit-learn scipy seaborn simpleitk tifffile tqdm

.PHONY: demo demo-hippocampus test check bench bench-peers nnunet-env augmentation-env docs serve-docs clean
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
	$(BIN)/python benchmarks/frozen_units.py
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/dense_triplanar.py --threads 2 --out benchmarks/results/dense_triplanar.md
	$(BIN)/python benchmarks/study_cells.py
	$(BIN)/python benchmarks/built_in_models.py --data-root $(DATA)

# nnU-Net's needs name timm, which only its primus trainers use and which pulls torchvision: it is installed without
# them, beside those that its plain trainer and predictor import; MONAI's sliding window runs there too.
$(VENV)-nnunet/.installed:
	$(PYTHON) -m venv $(VENV)-nnunet
	$(VENV)-nnunet/bin/python -m pip install --quiet 'torch>=2.8,!=2.9.*,<2.14'
	$(VENV)-nnunet/bin/python -m pip install --quiet --no-deps nnunetv2 dynamic-network-architectures
	$(VENV)-nnunet/bin/python -m pip install --quiet $(NNUNET_NEEDS)
	@touch $@

nnunet-env: $(VENV)-nnunet/.installed

$(VENV)-augmentation/.installed:
	$(PYTHON) -m venv $(VENV)-augmentation
	$(VENV)-augmentation/bin/python -m pip install --quiet 'torch>=2.8,!=2.9.*,<2.14' monai torchio
	@touch $@

augmentation-env: $(VENV)-augmentation/.installed

bench-peers: $(VENV)/.installed-dev nnunet-env augmentation-env
	$(BIN)/python benchmarks/prediction.py --peer-python $(VENV)-nnunet/bin/python --data-root $(DATA)
	$(BIN)/python benchmarks/training_steps.py --peer-python $(VENV)-nnunet/bin/python --data-root $(DATA)
	$(BIN)/python benchmarks/augmentation.py --peer-python $(VENV)-augmentation/bin/python
	$(BIN)/python benchmarks/time_to_dice.py --peer-python $(VENV)-nnunet/bin/python --data-root $(DATA)

docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir site

serve-docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

clean:
	rm -rf $(VENV) site .mypy_cache .ruff_cache .hypothesis build dist
