# The two commands of the README, and what stands behind them.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OLDEST := .venv-oldest
OLDEST_PYTHON ?= $(BIN)/python
LOCKS := requirements
# Releases of OpenVINO that an agent's image can be made of without ado, besides the newest one.
RELEASES := 2024.6 2025.4
# Tests side by side; those with containers one after another, because they share one lab.
WORKERS ?= 2

.PHONY: help demo test lint oldest lock lock-openvino images schemas clean

help:
	@echo "make demo     benchmark this machine: table and site in out/demo"
	@echo "make test     lint, types and tests"
	@echo "make lint     the first two of them"
	@echo "make oldest   install the oldest OpenVINO that fleetmark works on into $(OLDEST); make test does"
	@echo "make lock     renew the pinned versions in $(LOCKS)/ (needs a package registry)"
	@echo "make images   build the container images (docker/build --help has more)"
	@echo "make clean    remove the virtual environment and out/"

demo: $(VENV)/.run
	@$(BIN)/fleetmark demo

test: lint oldest
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not docker"
	$(BIN)/python -m pytest -m docker

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# A stamp for each set of packages, newer than what it was installed from: a second call installs nothing.
$(VENV)/.run: $(LOCKS)/run.lock pyproject.toml | $(BIN)/python
	@echo "Installing fleetmark into $(VENV)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $(LOCKS)/run.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(LOCKS)/dev.lock $(VENV)/.run
	@echo "Installing what the tests need into $(VENV)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $(LOCKS)/dev.lock
	@touch $@

# The agent on the oldest OpenVINO, for tests/engine. That release has no wheels for Python 3.13 and newer; where
# OLDEST_PYTHON names none that is older, those tests say that they skip.
oldest: $(VENV)/.run
	@if $(OLDEST_PYTHON) -c 'import sys; sys.exit(sys.version_info >= (3, 13))'; then \
	  $(MAKE) -s --no-print-directory $(OLDEST)/.agent; \
	else \
	  echo "$(OLDEST) needs Python 3.11 or 3.12; name one with: make OLDEST_PYTHON=/path/to/python3.12 …"; \
	fi

$(OLDEST)/.agent: $(LOCKS)/oldest.lock pyproject.toml
	@echo "Installing the agent on the oldest OpenVINO into $(OLDEST)"
	@test -x $(OLDEST)/bin/python || $(OLDEST_PYTHON) -m venv $(OLDEST)
	@$(OLDEST)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r $(LOCKS)/oldest.lock
	@$(OLDEST)/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "fleetmark needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3.11 …"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "No virtual environment could be made; on Debian and Ubuntu: apt install python3-venv"; exit 1; }

# Versions and hashes for every platform and every Python from 3.11 on; which registry serves them is the
# installer's setting and is not written down.
LOCK := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-emit-find-links --no-annotate --custom-compile-command "make lock" pyproject.toml

lock: $(VENV)/.dev
	$(BIN)/python -m pip install -q --disable-pip-version-check uv
	$(LOCK) --extra integrator --extra build -o $(LOCKS)/run.lock
	$(LOCK) --extra dev --constraint $(LOCKS)/run.lock -o $(LOCKS)/dev.lock
	$(LOCK) --extra agent --extra build --constraint $(LOCKS)/oldest.in -o $(LOCKS)/oldest.lock
	$(LOCK:pyproject.toml=$(LOCKS)/sdist.in) -o $(LOCKS)/sdist.lock
	for image in agent ftp integrator; do \
	  $(LOCK) --extra $$image --constraint $(LOCKS)/run.lock -o $(LOCKS)/$$image.lock || exit 1; \
	done
	for release in $(RELEASES); do \
	  $(MAKE) -s --no-print-directory lock-openvino OPENVINO=$$release || exit 1; \
	done

# What docker/build installs into an agent's image of another OpenVINO: make lock-openvino OPENVINO=2025.3
lock-openvino: $(VENV)/.dev
	$(BIN)/python -m pip install -q --disable-pip-version-check uv
	@test -n "$(OPENVINO)" || { echo "Which one? make lock-openvino OPENVINO=2025.3"; exit 1; }
	echo "openvino==$(OPENVINO).*" > $(VENV)/openvino.in
	$(LOCK) --extra agent --constraint $(VENV)/openvino.in -o $(LOCKS)/openvino-$(OPENVINO).lock

images:
	docker/build

schemas: $(VENV)/.run
	$(BIN)/python -m integrator.config

clean:
	rm -rf $(VENV) $(OLDEST) out
