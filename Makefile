PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: demo up test check fix bench chaos fuzz conformance deploy-test clean

demo: $(INSTALLED)  ## a prompt in, a picture out: cat.png
	$(BIN)/darkroom demo

up: $(INSTALLED)  ## the whole service on this machine, until Ctrl-C
	$(BIN)/darkroom up

test: $(INSTALLED)  ## all tests, on a real Redis that comes with the installation
	$(BIN)/pytest -q

check: $(INSTALLED)  ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED)  ## the tables of benchmarks/RESULTS.md
	$(BIN)/pip install -q -c constraints.txt -e '.[bench]'
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m benchmarks.serving
	$(BIN)/python -m benchmarks.queue
	$(BIN)/python -m benchmarks.overhead
	$(BIN)/python -m benchmarks.listeners
	$(BIN)/python -m benchmarks.polling
	$(BIN)/python -m benchmarks.adapters
	$(BIN)/python -m benchmarks.rows
	$(BIN)/python -m benchmarks.precision

chaos: $(INSTALLED)  ## kills workers and Redis, pauses them, loses replies; counts what is lost
	$(BIN)/python -m tests.chaos

fuzz: $(INSTALLED)  ## thousands of requests drawn from the API's own description, valid and not
	$(BIN)/python -m tests.fuzz

conformance: $(INSTALLED)  ## every pipeline class, every option, in company against alone; DIFFUSERS=folder of its source for more
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.worker.engine.sweep $(if $(DIFFUSERS),--diffusers $(DIFFUSERS))

.env.example: app/contract/settings.py $(INSTALLED)
	$(BIN)/darkroom env > $@

deploy-test: $(INSTALLED)  ## builds the images and runs the stack, as root on Debian; a line for each promise
	$(BIN)/pip install -q -c constraints.txt -e '.[deploy]'
	$(BIN)/python -m tests.deploy

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv || { echo "Python's venv is missing: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing into .venv: a minute or two, 1.3 GB and more with CUDA."
	$(BIN)/pip install -q -c constraints.txt -e '.[worker,dev]'
	touch $@

clean:
	rm -rf .venv state
