PYTHON ?= python3
BIN := .venv/bin
GROUPS := arrays schema pictures keras sklearn onnx statistics plots pipeline dev

.DEFAULT_GOAL := help
.PHONY: help setup install lock repro predict review noise test check format sample first-numbers clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make .venv from requirements.lock, unless it is already of that lock
	@cmp -s requirements.lock .venv/requirements.lock || $(MAKE) --no-print-directory install

install:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit("Python 3.11, 3.12 or 3.13 is needed, and $(PYTHON) is %d.%d; say for example: make setup PYTHON=python3.12" % v)'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock
	@# `.venv/bin/dvc repro` then runs the stages in .venv, whether it is activated or not.
	@cp tools/venv.pth "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	@cp requirements.lock .venv/requirements.lock

lock: setup ## write requirements.lock anew, after an edit of the pins in pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-config \
		--custom-compile-command 'make lock' $(GROUPS:%=--group %) --output-file requirements.lock

repro: setup ## run the whole pipeline, as far as something changed, and print the results
	@$(BIN)/dvc repro
	@$(BIN)/python -m tools.results

predict: setup ## classify pictures: MODEL=data/models/RUN.onnx IMAGE=files or folder, JSON=1
	@$(BIN)/python -m tools.predict $(if $(JSON),--json) \
		$(if $(INVERT),--$(patsubst no,no-invert,$(INVERT:yes=invert))) -- "$(MODEL)" $(IMAGE)

review: setup ## say what a change did to every run: BASE=main, HEAD=revision or experiment
	@$(BIN)/python -m tools.review "$(or $(BASE),main)" $(if $(HEAD),"$(HEAD)")

noise: setup ## how much the accuracy of RUN moves with SEEDS=5 seeds; of BASE against HEAD
	@$(BIN)/python -m tools.noise "$(RUN)" $(if $(SEEDS),--seeds "$(SEEDS)") \
		$(if $(BASE),--base "$(BASE)") $(if $(HEAD),--head "$(HEAD)")

test: setup ## run the tests
	@$(BIN)/python -m pytest -n auto

check: setup ## check format, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: setup ## format and mend what the linter can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

sample: setup ## make data/sample/ anew from the full data
	@$(BIN)/dvc repro data/dvc.yaml:fetch@fashion_mnist data/dvc.yaml:fetch@cifar10
	@$(BIN)/python -m tools.sample data/full data/sample

first-numbers: setup ## show why the first published accuracies of these models were wrong
	@$(BIN)/python -m tools.first_numbers data/first-numbers

clean: ## remove .venv and what the tools keep; data, models and DVC's cache stay
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache
