# Every target does its own set-up; what is done already costs a few file reads (see scripts/setup.py).
# More arguments: make run ARGS="--port 9000", make test ARGS="tests/unit -k planner".

ifndef PYTHON
PYTHON := $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
endif
ARGS ?=
SETUP = $(if $(PYTHON),$(PYTHON) -m scripts.setup,$(error Python 3.11 or later is needed: apt-get install -y python3))

.PHONY: run setup test lint bench lock messages clean

run:
	@$(SETUP) run
	@exec .venv/bin/python main.py $(ARGS)

setup:
	@$(SETUP) all

test:
	@$(SETUP) test
	.venv/bin/python -m pytest $(ARGS)

lint:
	@$(SETUP) lint
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

bench:
	@$(SETUP) test
	.venv/bin/python -m benchmarks $(ARGS)

# Takes the newest versions that pyproject.toml allows: make lock ARGS=--upgrade
lock:
	@$(SETUP) lint
	.venv/bin/python -m scripts.lock $(ARGS)

# New texts of the pages into the catalogues of bg_runner/translations.
messages:
	@$(SETUP) lint
	.venv/bin/python -m scripts.messages

clean:
	rm -rf .venv node_modules static/vendor dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
