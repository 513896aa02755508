# The handbook: `make` alone lists what can be done. Needs python3 (3.11 or later) with venv.

PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
PACKAGES := $(wildcard agents analytics context control directives embedder ibex identity jobs memories orgs privacy proxy sessions)
UV = $(BIN)/uv --system-certs pip
WEEK_AGO = $(shell date -u -d '7 days ago' +%F)
COMPILE = $(UV) compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --exclude-newer $(WEEK_AGO)
# Stand-ins for `manage.py check`, which reads settings and contacts nothing.
PLACEHOLDERS := IBEX_ENV=production IBEX_ALLOWED_HOSTS=ibex.example \
	IBEX_SECRET_KEY=placeholder-Vb7mKq2ZrT9xWc4LhJ8nPd3FsG6yEa5uHk1oXi0eMt2Rv \
	IBEX_TOKEN_KEY=placeholder-Xc3nJw8QsR5yVd9MgK2pLb7TfH4zEa6uYk1oZi0eNt \
	IBEX_SERVICE_TOKEN=placeholder-Yd4pKx9RtS6zWe2NhL3qMc8UgJ5vFb7wAk1oVi0e \
	IBEX_DATABASE_URL=postgres://nobody@localhost/none IBEX_REDIS_URL=redis://localhost/0
# tests/conftest.py says which tests stay together and which come first.
PYTEST := $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder
RUN := $(BIN)/python -m ibex.embedded run --

.PHONY: help up test check verify bench e2e-smoke-p3 openapi demo-data demo-data-remove proto requirements clean
.DEFAULT_GOAL := help

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: .venv/runtime.stamp  ## Start everything, with a database and a Redis of its own (ARGS=-v shows all logs)
	exec $(BIN)/python -m ibex.embedded up $(ARGS)

test: .venv/dev.stamp  ## Run the tests (ARGS="tests/orgs -k tenant" chooses)
	$(RUN) $(PYTEST) $(ARGS)

verify: .venv/dev.stamp  ## Run the tests with their full counts
	IBEX_TEST_FULL=1 $(RUN) $(PYTEST) $(ARGS)

check: .venv/dev.stamp  ## Lint, format, types, deployment settings, missing migrations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(PLACEHOLDERS) $(BIN)/mypy $(PACKAGES)
	$(PLACEHOLDERS) $(BIN)/python manage.py check --deploy --fail-level ERROR
	$(RUN) $(BIN)/python manage.py makemigrations --check --dry-run

bench: .venv/dev.stamp  ## Measure, and write benchmarks/results/ (ARGS="proxy --seconds 10")
	$(RUN) $(BIN)/python benchmarks/run.py $(ARGS)

e2e-smoke-p3: .venv/runtime.stamp  ## Drive a running stack from outside, end to end
	infra/scripts/e2e_smoke_p3.sh

openapi: .venv/dev.stamp  ## Write docs/api/openapi.json from the code
	$(PLACEHOLDERS) $(BIN)/python manage.py spectacular

demo-data: .venv/runtime.stamp  ## Fill the running stack with a demo organization (ARGS="--scale 0.1")
	$(BIN)/python -m ibex.demo $(ARGS)

demo-data-remove: .venv/runtime.stamp  ## Remove the demo organization with all it holds
	$(BIN)/python -m ibex.demo --remove

proto: .venv/dev.stamp  ## Generate the gRPC code from context/proto/context.proto
	$(BIN)/python -m grpc_tools.protoc -I . --python_out=. --pyi_out=. --grpc_python_out=. \
		context/proto/context.proto

requirements: .venv/uv.stamp  ## Compile both requirement files anew, without releases younger than a week
	$(COMPILE) --upgrade pyproject.toml -o requirements.txt
	$(COMPILE) --upgrade --extra dev pyproject.toml -o requirements-dev.txt

clean:  ## Remove what can be made again; the data in var/ stays
	rm -rf .venv build .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --clear .venv

.venv/uv.stamp: .venv/bin/python Makefile
	$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	touch $@

.venv/runtime.stamp: .venv/uv.stamp requirements.txt
	$(UV) install --python $(BIN)/python --quiet --require-hashes -r requirements.txt
	touch $@

.venv/dev.stamp: .venv/uv.stamp requirements-dev.txt
	$(UV) install --python $(BIN)/python --quiet --require-hashes -r requirements-dev.txt
	touch $@ .venv/runtime.stamp
