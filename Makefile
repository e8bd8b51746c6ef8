# Everything a newcomer needs: `make demo` and `make test`. Each sets up what it lacks and says what it does.

PYTHON ?= python3
DIR ?=
VENV := .venv
UV := .make/uv/bin/uv
BIN := $(VENV)/bin
export UV_PYTHON_DOWNLOADS = never
# A hub imports two thousand modules: whoever compiles them at every start waits twice as long.
export PYTHONDONTWRITEBYTECODE =
INSTALL = $(UV) pip install -q --compile-bytecode --python $(BIN)/python

# What the tests log in with and measure against. npm comes with nodejs where that is not Debian's own.
PEERS := systemd apache2-bin libapache2-mod-auth-openidc nginx-light openssl gcc libc6-dev nodejs $(if $(shell command -v npm),,npm)

# One more than there are processors: some tests wait, for an idle notebook to be stopped or a clock to strike.
WORKERS := $(shell echo $$(( $$(nproc) < 4 ? $$(nproc) + 1 : 4 )))

.PHONY: demo test lint bench pictures docs lock clean

demo: .make/hub ## bring the hub up with a demo course
	@$(BIN)/mograder demo $(DIR)

test: .make/dev .make/peers lint ## run all tests
	@echo "==> running all tests"
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: .make/dev
	@echo "==> checking format, style, types and the direction of imports"
	@$(BIN)/ruff format --check -q . && $(BIN)/ruff check -q . && $(BIN)/mypy && $(BIN)/lint-imports --no-logo

bench: .make/dev .make/peers ## measure, product beside alternatives; writes bench/results/
	@$(BIN)/python -m bench

pictures: .make/dev ## take the pictures of docs/tour.md anew
	@echo "==> taking the pictures of the demo course"
	@$(BIN)/python -m tests.pages.pictures

docs: ## where to read
	@echo "Start with README.md, then docs/."

lock: .make/dev ## take newer versions of everything
	@$(UV) pip compile -q -U --universal --generate-hashes --no-annotate pyproject.toml -o requirements.lock
	@$(UV) pip compile -q -U --universal --generate-hashes --no-annotate --group dev pyproject.toml -o requirements-dev.lock

clean:
	@rm -rf .make $(VENV)

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "mograder needs Python 3.11 or newer; name one with PYTHON=…"; exit 1; }
	@.ci/packages python3-venv
	@echo "==> getting uv"
	@$(PYTHON) -m venv .make/uv && .make/uv/bin/python -m pip install -q --disable-pip-version-check uv

$(BIN)/python: | $(UV)
	@echo "==> making a virtual environment in $(VENV)"
	@$(UV) venv -q --clear --python $(PYTHON) $(VENV)

.make/hub: requirements.lock pyproject.toml | $(BIN)/python
	@.ci/packages bubblewrap uidmap
	@echo "==> installing mograder"
	@$(INSTALL) --require-hashes -r requirements.lock
	@$(INSTALL) --no-deps -e .
	@touch $@

.make/dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	@.ci/packages bubblewrap uidmap chromium
	@.ci/packages chromium-headless-shell || echo "==> going on without chromium-headless-shell: the tests take longer"
	@echo "==> installing mograder and its development tools"
	@$(INSTALL) --require-hashes -r requirements-dev.lock
	@$(INSTALL) --no-deps -e .
	@touch $@

.make/peers: tests/peers/package-lock.json bench/gateway/package-lock.json | .make/dev
	@.ci/packages $(PEERS)
	@echo "==> installing the login programs and proxies that tests and benchmarks need"
	@cd tests/peers && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@cd bench/gateway && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
