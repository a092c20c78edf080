PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test suite test-long check down lock bench-traffic bench-snapshots bench-health bench-controller bench-agent histories pictures simulate logs-report

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: .venv/ready ## from nothing to a service on two droplets, through Prefect, on this machine
	@$(PYTHON) tools/host.py demo
	@$(BIN)/python -m examples.demo

test: .venv/ready ## everything needed, then the whole test suite
	@$(PYTHON) tools/host.py test
	@$(MAKE) --no-print-directory --jobs=2 check suite

suite: .venv/ready
	$(BIN)/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder

test-long: .venv/ready ## what takes too long for every change: a SIGKILL at every step, fleets of five, rolls, drills, a random walk (three hours)
	@$(PYTHON) tools/host.py test
	$(BIN)/python -m pytest -m long -s --junitxml=.state/long/results.xml

check: .venv/ready ## lint, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench-traffic: .venv/ready ## what visitors lose while releases and droplets change under load (nothing)
	@$(PYTHON) tools/host.py demo
	$(BIN)/python -m tests.bench.traffic

bench-snapshots: .venv/ready ## from "create droplet" to "serving": a custom snapshot against a stock image and an installation (at least 10 times as fast)
	@$(PYTHON) tools/host.py demo
	$(BIN)/python -m tests.bench.snapshots

HISTORIES ?= 5000
histories: .venv/ready ## random histories of runs, faults and kills in memory, with fresh seeds (HISTORIES=5000)
	HISTORIES=$(HISTORIES) $(BIN)/python -m pytest tests/histories/test_histories.py

MINUTES ?= 0
bench-health: .venv/ready ## what a health round of 100 droplets costs against a bare loop (at most twice), and in Prefect; with MINUTES=30 memory and database as well
	$(BIN)/python -m tests.bench.health --minutes $(MINUTES)

bench-controller: .venv/ready ## runs a minute of a production controller with one worker and with two
	@$(PYTHON) tools/host.py test
	$(BIN)/python -m tests.bench.controller

bench-agent: .venv/ready ## how long the agent takes to answer among crowds of callers (250 ms at p99 at most), and how much memory they cost
	$(BIN)/python -m tests.bench.agent

pictures: .venv/ready ## take the documentation's pictures anew, from the demo while it runs
	$(BIN)/python -m tests.browser.pictures

DROPLETS ?= 10 500
simulate: .venv/ready ## a simulated day of 10 and of 500 droplets in all kinds of trouble: naive replacement against ours (DROPLETS="10 500")
	$(BIN)/python -m tests.simulation $(DROPLETS)

logs-report: .venv/ready ## how well the agent tells errors from other lines, on logs that real programs wrote
	$(BIN)/python -m tests.corpus

down: ## stop and remove all that `make demo` started
	@test ! -x $(BIN)/python || $(BIN)/python -m deployments down
	@test ! -x $(BIN)/python || $(BIN)/python -m examples.demo leave
	@test ! -x $(BIN)/python || $(BIN)/python -m sandbox clean
	@$(PYTHON) tools/host.py down

.venv/ready: requirements.lock pyproject.toml
	@echo "Installing the locked dependencies into .venv (half a minute) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; on Debian 12: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -m venv .venv
	@awk '/^uv==/ {on = 1; print; next} on && /^ / {print; next} {on = 0}' requirements.lock > .venv/uv.txt
	@$(BIN)/pip install -qq --progress-bar off --no-deps --require-hashes -r .venv/uv.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --compile-bytecode --no-deps --require-hashes -r requirements.lock \
	|| $(BIN)/pip install -qq --progress-bar off --no-deps --require-hashes -r requirements.lock  # an index that only pip knows
	@$(BIN)/pip install -qq --no-deps --no-build-isolation -e .
	@touch $@

lock: ## renew requirements.lock from pyproject.toml (hashes, no index lines)
	$(BIN)/uv pip compile pyproject.toml --extra dev --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11 -o requirements.lock
