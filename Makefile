# make            lists what can be done
# make up         from a fresh checkout to a working service
#
# Everything lands in .venv and var, both ignored by git. Without make, the same in three lines:
#   python3 -m venv .venv
#   .venv/bin/pip install --require-hashes -r requirements/run.txt
#   .venv/bin/python -m workers.supervisor

.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
# The name of a stamp holds the checksum of the requirements: a changed lock is installed, a touched one is not.
checksum = $(shell cksum < $(1) | tr ' ' '-')
RUN_STAMP := $(VENV)/installed-run-$(call checksum,requirements/run.txt)
DEV_STAMP := $(VENV)/installed-dev-$(call checksum,requirements/dev.txt)
# Servers that the service is compared with, apart from what it runs on.
AGAINST := .venv-against
# The first Python on PATH that fits, unless PYTHON names one.
SUITS := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
FIND_PYTHON = for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	"$$python" -c "$(SUITS)" 2>/dev/null && { command -v "$$python"; break; }; done

.PHONY: help up test lint types format messages migrations bench against faults clean

help: ## List these commands
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

up: $(RUN_STAMP) ## Start the service and print its address (PORT=8000; Ctrl-C ends it)
	@exec $(BIN)/python -m workers.supervisor

test: $(DEV_STAMP) ## Run every test this machine can run, and say what was skipped and why (ARGS="-n0 -k name")
	@exec $(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

lint: $(DEV_STAMP) ## Check style, templates, layers, types and that every model change has its migration
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/djlint --quiet --lint templates
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(MAKE) migrations

types: $(DEV_STAMP) ## Check types alone
	$(BIN)/mypy

format: $(DEV_STAMP) ## Bring the code into the project's form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

messages: $(DEV_STAMP) ## Bring the catalogues of texts up to date, and name what is not translated (LANGUAGES="de fr")
	@exec $(BIN)/python -m tests.translating $(LANGUAGES)

migrations: $(DEV_STAMP)
	@SECRET_KEY=$${SECRET_KEY:-only-for-this-check} $(BIN)/python manage.py makemigrations --check --dry-run

bench: $(DEV_STAMP) ## Measure: one JSON line per figure (ARGS as for test)
	@exec $(BIN)/python -m pytest tests/benchmarks --ignore=tests/benchmarks/test_against.py --run-benchmarks -s -q $(ARGS)

against: $(DEV_STAMP) ## Compare with what people would use instead: Flask, LitServe, BentoML (BENCH_IMAGES=1000 BENCH_LARGE=100)
	@$(MAKE) VENV=$(AGAINST) $(AGAINST)/installed-against-$(call checksum,requirements/against.txt)
	@AGAINST_PYTHON=$(CURDIR)/$(AGAINST)/bin/python exec $(BIN)/python -m pytest tests/benchmarks/test_against.py --run-benchmarks -s -q $(ARGS)

faults: $(DEV_STAMP) ## Run the long campaigns: workers killed, the broker lost, one folder through two doors
	@exec $(BIN)/python -m pytest tests/faults tests/races tests/parity tests/contract tests/client/test_resuming.py --run-campaign -s $(ARGS)

clean: ## Remove the virtual environments and caches; var, the state, stays
	rm -rf $(VENV) $(AGAINST) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# Both stamps share one environment: dev.txt holds run.txt's versions and more.
$(VENV)/installed-%:
	@kind=$$(echo "$*" | cut -d- -f1); \
	if ! $(BIN)/python -c "$(SUITS)" 2>/dev/null; then \
		python=$$($(FIND_PYTHON)); \
		if [ -z "$$python" ]; then \
			echo "No Python 3.11, 3.12 or 3.13 with its venv module was found on PATH." >&2; \
			echo "Install one (Debian, Ubuntu: apt install python3-venv), or name it: make up PYTHON=/path/to/python3" >&2; \
			exit 1; \
		fi; \
		echo "creating $(VENV) with $$python"; \
		"$$python" -m venv --clear $(VENV) || exit 1; \
	fi; \
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null || exit 1; \
	echo "installing requirements/$$kind.txt: about 1 GB, some minutes the first time"; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/$$kind.txt || exit 1; \
	rm -f $(VENV)/installed-$$kind-*; \
	touch $@
