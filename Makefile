# The front door. Needs make and a Python of 3.11 or later; everything else is installed into .venv by the first target.

VENV    := .venv
SDK     := .venv-sdk
RIVALS  := .venv-rivals
LOCKING := .venv-lock
BIN     := $(VENV)/bin
SYMBOLS ?= RELIANCE,TCS,INFY
FOR     ?=
ARGS    ?=
BUGS    ?=
FILES   ?=
COUNT   ?= 100
SCALE   ?= 1
PARTS   ?=
TESTS   ?=
SEED    ?= 7
SEEDS   ?= 40000
CORPUS  := tests/simulation/corpus.txt

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
# What is installed stands in a lock, with the hashes of its files. A wheel runs nothing while it is installed; what
# comes as sources alone, $(SOURCES), is built by what the lock of the build holds, and nothing else is fetched for it.
LOCKED  := -m pip install --quiet --require-hashes --no-deps --no-build-isolation --only-binary :all:
SOURCES := peewee

.DEFAULT_GOAL := help
.PHONY: help run test prove check audit sbom lock format bugs mutants proof-long bench schema vendor-js sdk-env rivals-env \
  compile clean
.DELETE_ON_ERROR:

help:  ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  for example: make run SYMBOLS=RELIANCE,TCS,INFY FOR=60s"

run: compile  ## Trade on the simulated exchange: SYMBOLS=A,B FOR=60s ARGS="..."
	@exec $(BIN)/tradebot run --symbols '$(SYMBOLS)' $(if $(FOR),--for '$(FOR)') $(ARGS)

# Three processes: one for the stories, which wait for real time most of theirs, two for what computes. What is named
# runs whole; without names the long ones are left to `make prove`.
test: $(VENV)/.dev compile  ## Run the tests: TESTS=tests/trading ARGS="-k bars"
	$(BIN)/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder --durations=20 $(if $(TESTS),$(TESTS),-m 'not prove') $(ARGS)

prove: $(VENV)/.dev compile  ## Run the long tests: more seeds, stories over real sockets, kills, loads
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder --durations=20 -m prove $(TESTS) $(ARGS)

check: $(VENV)/.dev audit  ## Lint, format check, types, shape, audit
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tests.shape

audit: $(VENV)/.dev  ## Is what is installed what the locks say, and is anything known against it
	$(BIN)/python -m locks.audit build run dev

sbom: $(VENV)/bin/python  ## Write the bill of materials: dist/tradebot.cdx.json (CycloneDX)
	$(BIN)/python -m locks.sbom dist/tradebot.cdx.json

# Versions stay unless pyproject.toml or locks/*.in forbid them; what changed is to be read before it is committed.
lock: $(LOCKING)/.done  ## Renew the locks and their hashes: ARGS=--upgrade takes the newest versions
	PATH="$(CURDIR)/$(LOCKING)/bin:$$PATH" $(LOCKING)/bin/python -m locks.renew $(ARGS)

format: $(VENV)/.dev  ## Rewrite the sources in the one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

simulate: compile  ## One day of a seed on virtual time: SEED=7 ARGS="--faults ..."
	@exec $(BIN)/tradebot simulate $(SEED) $(ARGS)

# The days first, every tenth with logins, then the rest of the programme at its heavier figures; PARTS="cuts fuzz" runs some of it, PARTS=none none.
simulate-long: $(VENV)/.dev compile  ## Many days: SEEDS=40000, or FOR=4h; a seed that breaks joins the corpus. Then proof-long
	@$(BIN)/tradebot simulate $(if $(FOR),--for '$(FOR)',--seeds $(SEEDS)) --logins-every 10 --corpus $(CORPUS) $(ARGS); days=$$?; \
	test '$(PARTS)' = none || $(BIN)/python tests/proof.py --scale $(SCALE) $(PARTS) || exit $$?; exit $$days

bugs: $(VENV)/.dev compile  ## Seed the known bugs one at a time and see each caught: BUGS="disk-syncs-less ..."
	@exec $(BIN)/python tests/bugs/hunt.py $(BUGS)

mutants: $(VENV)/.dev compile  ## Random single changes, and which of them nothing notices: COUNT=100 SEED=7 FILES="gate exits"
	@exec $(BIN)/python -m tests.mutants.mutant_hunt --count $(COUNT) --seed $(SEED) $(FILES)

proof-long: $(VENV)/.dev compile  ## The heavier figures of the test programme, as a table: SCALE=10 PARTS="sweeps fuzz"
	@exec $(BIN)/python tests/proof.py --scale $(SCALE) $(PARTS)

bench: compile  ## Measure this machine: ARGS="--json"
	@exec $(BIN)/tradebot bench $(ARGS)

schema: $(VENV)/.run  ## Write config.toml and its schema anew from the settings
	$(BIN)/tradebot config show --defaults > config.toml
	$(BIN)/tradebot config schema > tradebot/tradebot.schema.json

vendor-js:  ## Copy the chart libraries of the report anew: npm pack, check the integrity, copy
	@set -e; into=$(CURDIR)/tradebot/backtest/vendor; at=$$(mktemp -d); trap 'rm -rf "$$at"' EXIT; cd "$$at"; \
	for one in lightweight-charts-5.2.1 uplot-1.6.32; do \
	  npm pack --silent "$${one%-*}@$${one##*-}" > /dev/null; \
	  sum="sha512-$$(openssl dgst -sha512 -binary $$one.tgz | base64 -w0)"; \
	  grep -qF "$$sum" $$into/THIRD_PARTY.md || { echo "$$one has another integrity than THIRD_PARTY.md: $$sum" >&2; exit 1; }; \
	  mkdir $$one; tar -xzf $$one.tgz --strip-components=1 -C $$one; \
	done; \
	cp lightweight-charts-5.2.1/dist/lightweight-charts.standalone.production.js $$into/lightweight-charts.js; \
	cp lightweight-charts-5.2.1/LICENSE $$into/LICENSE.lightweight-charts; \
	cp uplot-1.6.32/dist/uPlot.iife.min.js $$into/uPlot.js; cp uplot-1.6.32/dist/uPlot.min.css $$into/uPlot.css; \
	cp uplot-1.6.32/LICENSE $$into/LICENSE.uPlot

rivals-env: $(RIVALS)/.done  ## A third one with backtesting.py and vectorbt, for `bench backtest` and its tests

sdk-env: $(SDK)/.done  ## A second environment with the official Kite client, for the conformance tests

clean:  ## Remove environments and caches; the journal in state/ stays
	rm -rf $(VENV) $(SDK) $(RIVALS) $(LOCKING) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find tradebot tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Bytecode is compiled here because a service in a read-only system cannot, and where PYTHONDONTWRITEBYTECODE is set
# nobody else would: starting takes three times as long without.
compile: $(VENV)/.run
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m compileall -q tradebot

$(VENV)/bin/python:
	@for candidate in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	  if $$candidate -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "$$candidate -m venv $(VENV)"; exec $$candidate -m venv $(VENV); \
	  fi; \
	done; echo "tradebot needs Python 3.11 or later; name one with make PYTHON=/path/to/python3" >&2; exit 1

$(VENV)/.run: pyproject.toml locks/build.txt locks/run.txt | $(VENV)/bin/python
	$(BIN)/python $(LOCKED) -r locks/build.txt
	$(BIN)/python $(LOCKED) -r locks/run.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m compileall -q -j 0 $(VENV)/lib > /dev/null || true
	@touch $@

$(VENV)/.dev: locks/dev.txt $(VENV)/.run
	$(BIN)/python $(LOCKED) --no-binary $(SOURCES) -r locks/dev.txt
	@touch $@

$(SDK)/.done: locks/sdk.txt | $(VENV)/bin/python
	$(BIN)/python -m venv $(SDK)
	$(SDK)/bin/python $(LOCKED) -r locks/sdk.txt
	@touch $@

$(RIVALS)/.done: locks/rivals.txt | $(VENV)/bin/python
	$(BIN)/python -m venv $(RIVALS)
	$(RIVALS)/bin/python $(LOCKED) -r locks/rivals.txt
	@touch $@

$(LOCKING)/.done: locks/uv.txt | $(VENV)/bin/python
	$(BIN)/python -m venv $(LOCKING)
	$(LOCKING)/bin/python $(LOCKED) -r locks/uv.txt
	@touch $@
