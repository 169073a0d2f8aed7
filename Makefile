# Two commands do all the set-up: `make demo` and `make test`. Everything is installed into .venv.
PYTHON ?= python3
SECONDS ?= 30
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Once, else each first process does it, for twenty seconds.
COMPILE := $(BIN)/python -c "from streams.kernels.compiling import compiled; compiled()"

.PHONY: setup demo test unit cluster faults soak bench lint clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable ".[all,dev]"
	$(COMPILE)
	touch $(STAMP)

# A local Apache Kafka, simulated users whose interests drift, the worker, and what came of it.
demo: setup
	$(BIN)/interestflow demo --seconds $(SECONDS)

# Everything: unit and contract tests, and integration tests on Apache Kafka; three files at a time, for they wait a lot.
# In the order of the folders: those of brokers and faults first, whose files have few tests and take longest.
test: setup
	$(COMPILE)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

# Without a broker.
unit: setup
	$(BIN)/python -m pytest -m "not broker"

# A few faults on a cluster of three brokers, and recoveries one after the other, about ten minutes.
cluster: setup
	INTERESTFLOW_FAULTS=short $(BIN)/python -m pytest tests/faults/test_cluster.py tests/faults/test_soak.py

# The faults in long form, about two hours; INTERESTFLOW_FAULT_SHARE=0.1 for a tenth of the trials.
faults: setup
	INTERESTFLOW_FAULTS=long $(BIN)/python -m pytest tests/faults; $(BIN)/python -m tests.faults.report

# A worker's memory over two hours with a disturbance a minute: the slope with its interval.
soak: setup
	$(BIN)/python -m tests.faults.soak --minutes 120 --every 60

bench: setup
	$(BIN)/interestflow bench stream

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) .interestflow
