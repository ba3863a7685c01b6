# Each target sets up what it needs: a Python 3.11 or later, and for the cluster tools Go, are all it asks for.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What the container has, and no test tools: the demo is ready in less than half a minute.
DEMO := .venv-demo
LOCK := tests/requirements.lock
TOOLS_LOCK := tests/tools.lock
# What `make mutants` changes, such as func.core.values*; all of the core where it is empty.
MUTANTS ?=
COMPILE := uv pip compile --no-strip-extras -q --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml

.PHONY: demo run test unit check lint soak mutants bench lock cluster-tools image node experiments clean

demo: $(DEMO)/.ready  ## 100 waiting tasks, one event, one open gate
	$(DEMO)/bin/taskgate demo

run: $(DEMO)/.ready  ## the demo that stays up for curl
	$(DEMO)/bin/taskgate demo --stay

test: $(VENV)/.ready  ## every test that can run here; what `make experiments` and `make node` run apart
	$(BIN)/python -m pytest -n auto --dist loadfile --require-all-codes --ignore tests/experiments --ignore tests/node

unit: $(VENV)/.ready  ## the tests that need no other process and no real component, in half a minute
	$(BIN)/python -m pytest -n auto --dist loadfile -q -m unit

check: lint  ## lint, and branch coverage by the tests that need no cluster
	$(BIN)/python -m pytest -n auto --dist loadfile -q --cov --cov-report=term:skip-covered \
		--ignore tests/cluster --ignore tests/image --ignore tests/node --ignore tests/manifests --ignore tests/docs --ignore tests/experiments --ignore tests/soak

lint: $(VENV)/.ready  ## style, strict types, import order
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

soak: $(VENV)/.ready  ## the soak tests in full, and tests/soak/results.txt
	$(BIN)/python -m tests.soak

mutants: $(VENV)/.tools  ## change each function of the core in many ways; the changes that no test notices
	$(BIN)/mutmut run $(MUTANTS)
	$(BIN)/mutmut results

cluster-tools:  ## the real etcd, kube-apiserver, NATS and Argo Events, built from pinned sources
	tests/cluster/build

image:  ## the image that the tests run, built from the Dockerfile on a base of Debian's packages; requires root and apt
	tests/image/install
	tests/image/build

node: $(VENV)/.ready  ## real pods on a real node, before each release; requires root and apt, 80 s, the first time 12 minutes
	tests/node/install
	tests/cluster/build
	tests/image/build
	tests/node/build
	TASKGATE_REQUIRE_CLUSTER=1 TASKGATE_REQUIRE_IMAGE=1 TASKGATE_REQUIRE_NODE=1 $(BIN)/python -m pytest -q tests/node

experiments: $(VENV)/.ready  ## what Argo Events can do, run with its real components, as a page of the report
	$(BIN)/python -m tests.experiments

bench: $(VENV)/.tools  ## the function beside its peers, and docs/benchmarks.md; on a quiet machine, 5 minutes
	$(BIN)/python -m tests.bench

lock:  ## pin anew what the container, the tests and a release install
	$(COMPILE) -o requirements.lock
	$(COMPILE) --extra otlp -o requirements-otlp.lock
	$(COMPILE) --extra otlp --group test -o $(LOCK)
	$(COMPILE) --group release -o .ci/requirements.lock
	$(COMPILE) --group bench --group mutants --constraint $(LOCK) -o $(TOOLS_LOCK)

$(DEMO)/.ready: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit("Taskgate needs Python 3.11 or later: make PYTHON=python3.11 ..." if sys.version_info < (3, 11) else 0)'
	@echo "Installing the packages of the function into $(DEMO), once ..."
	@$(PYTHON) -m venv $(DEMO)
	@$(DEMO)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(DEMO)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/.ready: pyproject.toml $(LOCK)
	$(PYTHON) -c 'import sys; sys.exit("Taskgate needs Python 3.11 or later: make PYTHON=python3.11 ..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(VENV)/.tools: $(VENV)/.ready $(TOOLS_LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(TOOLS_LOCK)
	touch $@

clean:
	rm -rf mutants $(VENV) $(DEMO) build dist *.egg-info .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis
