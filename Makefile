.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
PYTEST_ARGS ?=
BENCHMARKS ?= readiness isolation rollout_vs_compose up_vs_compose bench_accuracy engines engines_bus processes

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SHELL_SCRIPTS := $(shell grep -l '^\#!.*sh$$' scripts/* .ci/run 2>/dev/null)

.PHONY: help install check format test soak demo bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## make .venv with nautilus and everything that development needs (PYTHON=python3.12)

$(STAMP): pyproject.toml scripts/make-venv
	@PYTHON='$(PYTHON)' scripts/make-venv
	@touch $@

check: install ## ruff, mypy --strict, shellcheck; changes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/shellcheck $(SHELL_SCRIPTS)

format: install ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: install ## every test; on real containers where Docker can be had (PYTEST_ARGS='-k rollout')
	@scripts/test $(PYTEST_ARGS)

soak: install ## the long form of the tests under load: 20 rollouts and 50 scale steps in a row, no request lost
	@scripts/test --soak -q tests/scenarios/test_soak.py

demo: install ## start the fleet of engines.yaml, show it, ask every engine something, measure it
	@scripts/demo

bench: install ## the figures of benchmarks/README.md, measured on this machine (BENCHMARKS=readiness)
	@scripts/docker-up
	@scripts/offline-images
	@code=0; for name in $(BENCHMARKS); do echo "=== $$name"; $(BIN)/python benchmarks/$$name.py || code=$$?; done; exit $$code

clean: ## remove .venv, caches and build artefacts; containers and images stay
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis htmlcov .coverage
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
