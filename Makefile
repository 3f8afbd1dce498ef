# Two commands on a bare checkout: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The demo compiles the same programs again when it is repeated.
export JAX_COMPILATION_CACHE_DIR ?= $(CURDIR)/.cache/jax
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: demo demo-ipixmatch demo-others test quick lint lock clean

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

# IPixMatch, and at the same time the runs to compare it with: so small a step
# is no shorter on two cores than on one.
TRAIN := $(BIN)/python -m ipixmatch_jax.main --config configs/shapes.py
OTHERS := runs/shapes_others.log

demo: $(VENV)/.core
	@echo "Supervised training and the host run at the same time: $(OTHERS)"
	$(MAKE) --no-print-directory -j 2 demo-ipixmatch demo-others
	$(BIN)/python -m ipixmatch_jax.compare \
	  supervised=runs/shapes_supervised host=runs/shapes_host \
	  IPixMatch=runs/shapes

demo-ipixmatch:
	$(TRAIN) --workdir runs/shapes

demo-others:
	@mkdir -p runs
	@{ $(TRAIN) --workdir runs/shapes_supervised \
	    --config.method=supervised --config.inter_pixel.weight=0 && \
	  $(TRAIN) --workdir runs/shapes_host --config.inter_pixel.weight=0; \
	} > $(OTHERS) 2>&1 || { tail -n 20 $(OTHERS); exit 1; }

# A third worker computes while the tests of two others wait for a process.
test: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 3 --dist loadfile

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
