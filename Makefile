# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
OUT    ?= out/demo

.PHONY: demo test bench lint clean

$(VENV)/demo.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable ".[demo]" --constraint constraints.txt
	touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable ".[dev,train]" --constraint constraints.txt
	touch $@

demo: $(VENV)/demo.stamp
	$(BIN)/facefuse demo --out $(OUT)

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/pytest -n 2 --dist loadfile

bench: $(VENV)/dev.stamp
	$(BIN)/python benchmarks

clean:
	rm -rf $(VENV) out build dist .mypy_cache .ruff_cache .pytest_cache
