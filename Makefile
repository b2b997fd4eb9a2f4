# Two commands: `make demo` installs everything and shows what it does, `make test` checks everything.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO_SECONDS ?= 20
TEST_PROCESSES ?= 3
SOAK_MINUTES ?= 60
CHAOS_PARALLEL ?= 1
FAST_TESTS := tests/test_structure.py $(addprefix tests/,alerts auditing config counts edges fingerprint inbound intake \
	issues payload records regrouping releases runtime schemas scrub stages store tables worker gateway)
CHAOS_SHORT := kill,stopgroup,clickhouse,kafka,third,killgroup+clickhouse

COMPILED := build/compiled
COMPILED_PYTHON = cd $(COMPILED) && PYTHONPATH=$(CURDIR)/$(COMPILED) $(CURDIR)/$(BIN)/python

.PHONY: demo install test test-fast lint wheel release compiled test-compiled bench soak chaos chaos-short lock clean

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

# Most tests wait for servers: several processes, each with servers of its own, fill the gaps.
test: lint
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

# The inner loop: what needs no server, without the corpora's longest parts; see CONTRIBUTING.md.
test-fast: install
	$(BIN)/python -m pytest -q -n $(TEST_PROCESSES) --dist loadfile -m "not servers" $(FAST_TESTS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m schemas.export --check

# Wheels hold the pure stages compiled. `make install` leaves them interpreted, so that what is edited is what runs.
wheel: install
	AFTERSHOCK_COMPILE=1 $(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

# The sdist and the wheels, built, installed in an empty environment and tried there.
release: install
	$(BIN)/python -m deploy.release

# A copy of the tree with the stages compiled in place, as a wheel has them.
compiled: install
	@$(BIN)/python -m deploy.compiled $(COMPILED)

test-compiled: compiled
	$(COMPILED_PYTHON) -m pytest -q tests/scrub/test_scrub_corpus.py tests/scrub/test_properties.py \
		tests/scrub/test_policy.py tests/scrub/test_scan.py tests/scrub/test_number_runs.py \
		tests/scrub/test_outline.py tests/scrub/test_sections.py tests/scrub/test_linear.py tests/fingerprint \
		tests/payload tests/tables/test_rows.py tests/stages/test_transform.py tests/counts/test_batch_counts.py

bench: compiled
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	$(COMPILED_PYTHON) -m benchmarks.pipeline
	$(COMPILED_PYTHON) -m benchmarks.latency
	$(COMPILED_PYTHON) -m benchmarks.scrub
	$(COMPILED_PYTHON) -m benchmarks.fingerprint
	$(COMPILED_PYTHON) -m benchmarks.http_servers

# Writes build/soak.csv and build/soak.svg.
soak: compiled
	$(COMPILED_PYTHON) -m benchmarks.soak --minutes $(SOAK_MINUTES) --out $(CURDIR)/build

# Needs Java 17 and, once, Maven. The short form takes four minutes on two cores; the long one has every kind of fault
# under each of the four settings, and then two or three at a time: it takes hours.
chaos-short: install
	$(BIN)/python -m tests.chaos run 0 --rounds 6 --kinds $(CHAOS_SHORT) --issues 20 --seconds 10 --prove

chaos: install
	$(BIN)/python -m tests.chaos many --seeds 0-11 --kinds all --parallel $(CHAOS_PARALLEL) --go-on
	$(BIN)/python -m tests.chaos many --seeds 100-107 --mode mixed --parallel $(CHAOS_PARALLEL) --go-on

# The lock holds versions and hashes and no addresses, so it serves any index. `make lock` takes the newest versions.
lock: install
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--extra local --group dev -o requirements.lock pyproject.toml schemas/producers/python/pyproject.toml
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--group bench -c requirements.lock -o requirements-bench.lock pyproject.toml

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
