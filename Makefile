# Two commands on a fresh machine: `make demo` shows the main job, `make test` runs every test. The rest is asked for by name.
.PHONY: demo test lint fmt sim sim-mutants chaos conformance bench cluster rewrite
PYTHON ?= python3
BIN := .venv/bin

$(BIN)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("kcli needs Python 3.11 or newer: make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --config-settings editable_mode=compat -e '.[dev]'
	touch $@

demo: $(BIN)/.installed        ; @PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.support.demo
lint: $(BIN)/.installed        ; $(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports
fmt: $(BIN)/.installed         ; $(BIN)/ruff format . && $(BIN)/ruff check --fix .
test: $(BIN)/.installed lint   ; $(BIN)/pytest
sim: $(BIN)/.installed         ; $(BIN)/python -m tests.sim --seeds $(or $(SEEDS),1000) $(if $(WORLD),--world $(WORLD)) $(if $(SEED),--seed $(SEED) --trace)
sim-mutants: $(BIN)/.installed ; $(BIN)/python -m tests.sim.mutants $(MUTANT)
chaos: $(BIN)/.installed       ; $(BIN)/python -m tests.chaos --seconds $(or $(SECONDS),60) $(CHAOS)
conformance: $(BIN)/.installed ; $(BIN)/python -m tests.conformance
bench: $(BIN)/.installed       ; $(BIN)/python -m tests.perf
cluster: $(BIN)/.installed     ; $(BIN)/kcli cluster up --brokers $(or $(BROKERS),1)
rewrite: $(BIN)/.installed     ; $(BIN)/pytest tests/golden --rewrite && git diff --stat tests/golden
