# Two commands on a bare checkout: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The demo compiles the same programs again when it is repeated.
export JAX_COMPILATION_CACHE_DIR ?= $(CURDIR)/.cache/jax
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: demo test quick lint lock clean

$(VENV)/.core: requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes \
	  -r requirements.lock
	touch $@

$(VENV)/.test: requirements-test.lock $(VENV)/.core
	$(BIN)/python -m pip install --quiet --require-hashes \
	  -r requirements-test.lock
	touch $@

# Supervised, the host method alone, and IPixMatch, one after another.
demo: $(VENV)/.core
	$(BIN)/python -m ipixmatch_jax.main --config configs/shapes.py \
	  --workdir runs/shapes_supervised --config.method=supervised \
	  --config.inter_pixel.weight=0
	$(BIN)/python -m ipixmatch_jax.main --config configs/shapes.py \
	  --workdir runs/shapes_host --config.inter_pixel.weight=0
	$(BIN)/python -m ipixmatch_jax.main --config configs/shapes.py \
	  --workdir runs/shapes
	$(BIN)/python -m ipixmatch_jax.compare \
	  supervised=runs/shapes_supervised host=runs/shapes_host \
	  IPixMatch=runs/shapes

test: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist loadfile

# Without the tests that train, compile networks or start processes.
quick: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -n 2 -m "not slow"

lint: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Needs uv; pip and venv are enough for everything else.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --quiet \
	  requirements.txt -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --quiet \
	  -c requirements.lock requirements.txt requirements-test.txt \
	  -o requirements-test.lock

clean:
	rm -rf $(VENV) .cache runs
