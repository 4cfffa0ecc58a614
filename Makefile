# Every target sets up what it needs first (scripts/setup.sh), so each works from a fresh clone.
#
#   make demo            30 s of closed loop on a simulated robot; pictures in out/demo
#   make demo ROBOT=droid SECONDS=60 OUT=out/long
#   make test            the tests that this machine can run, without the longest
#   make test-long       those: compilers, more ranks, training over two processes, the studies in small; many minutes
#   make bench           figures into benchmarks/results
#   make fuzz            property tests of the control path for FUZZ_MINUTES (default 60)
#   make faults          kill, stop, spoil, delay: every fault in real processes, as a table; about 5 minutes
#   make faults ONLY='kill|clock'
#   make kills           kill a recorder 200 times, recover every bag; about 10 minutes
#   make lint            ruff: format and rules
#   make clean           removes what set-up and builds made

ROBOT ?= droid
SECONDS ?= 30
OUT ?= out/demo
FUZZ_MINUTES ?= 60
PYTHON ?= python3
VENV := .venv

.PHONY: setup demo test test-long bench fuzz faults kills lint clean

setup:
	@PYTHON=$(PYTHON) bash scripts/setup.sh

demo: setup
	@$(VENV)/bin/dreamzero demo $(ROBOT) --seconds $(SECONDS) --out $(OUT) --headless

test: setup
	@bash scripts/test.sh $(PYTEST_ARGS)

test-long: setup
	@bash scripts/test.sh --long $(PYTEST_ARGS)

bench: setup
	@$(VENV)/bin/python benchmarks/run.py

fuzz: setup
	@$(VENV)/bin/python benchmarks/fuzz_control.py --minutes $(FUZZ_MINUTES)

faults: setup
	@$(VENV)/bin/python benchmarks/faults.py --robot $(ROBOT) --only '$(ONLY)'

kills: setup
	@$(VENV)/bin/python benchmarks/recorder_kills.py

lint: setup
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .

clean:
	rm -rf $(VENV) build log install out
