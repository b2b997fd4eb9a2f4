# Two commands: `make demo` installs everything and shows what it does, `make test` checks everything.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO_SECONDS ?= 20

.PHONY: demo install test lint bench lock clean

demo: install
	@$(BIN)/aftershock demo --seconds $(DEMO_SECONDS)

install: $(VENV)/installed

$(VENV)/installed: requirements.lock pyproject.toml schemas/producers/python/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV) || { echo "venv is missing: apt-get install python3-venv"; exit 1; }
	@echo "Installing into $(VENV); about a minute the first time"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e . -e schemas/producers/python
	@touch $@

test: lint
	$(BIN)/python -m pytest

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m schemas.export --check

bench: install
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	$(BIN)/python -m benchmarks.pipeline
	$(BIN)/python -m benchmarks.latency
	$(BIN)/python -m benchmarks.scrub
	$(BIN)/python -m benchmarks.fingerprint

# The lock holds versions and hashes and no addresses, so it serves any index. `make lock` takes the newest versions.
lock: install
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--extra local --group dev -o requirements.lock pyproject.toml schemas/producers/python/pyproject.toml
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--group bench -c requirements.lock -o requirements-bench.lock pyproject.toml

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
