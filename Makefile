# make run    build the environment, then watch a machine classify handwritten digits
# make test   run all tests, two at a time    make check   lint and strict types
# make pythons   an environment of another Python version, with which a test repeats runs
# make bench  speed, as ratios         make docs    build the documentation

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: run test pythons check bench docs clean

run: $(STAMP)
	$(BIN)/imcsim run digits-resnet --arch dataflow --images 100 --out runs/digits-resnet
	$(BIN)/imcsim export runs/digits-resnet --to png

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal

pythons: $(STAMP)
	$(BIN)/python tests/pythons.py

check: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/imcsim bench

docs: $(STAMP)
	$(BIN)/sphinx-build -W -n -q docs docs/_build
	@echo open docs/_build/index.html

clean:
	rm -rf $(VENV) $(VENV)-* build dist *.egg-info docs/_build runs .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "imcsim needs Python 3.11 or later; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade -c constraints.txt pip setuptools
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@
