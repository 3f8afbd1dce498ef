#!/usr/bin/env bash
#
# Installs this checkout on a TPU VM; launch/tpu.sh runs it on every worker. The
# Python of the image may be older than 3.11, so uv fetches one. The lock file
# installs jax for CPUs; libtpu is added after it.
set -euo pipefail
cd "$(dirname "$0")/.."

python3 -m pip install --user --quiet uv
uv=(python3 -m uv)
"${uv[@]}" venv --quiet --clear --python 3.11 .venv
"${uv[@]}" pip install --quiet --python .venv/bin/python --require-hashes \
  -r requirements.lock
jax=$(.venv/bin/python -c 'import jax; print(jax.__version__)')
"${uv[@]}" pip install --quiet --python .venv/bin/python "jax[tpu]==$jax"
