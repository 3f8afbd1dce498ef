#!/usr/bin/env bash
#
# Installs the checkout that it lies in on a TPU VM; launch/tpu.sh runs it on
# every worker. The images' own Python may be older than 3.11, so uv fetches
# one. The lock brings the CPU jax, then libtpu comes beside it.
set -euo pipefail
cd "$(dirname "$0")/.."

python3 -m pip install --user --quiet uv
uv=(python3 -m uv)
"${uv[@]}" venv --quiet --clear --python 3.11 .venv
"${uv[@]}" pip install --quiet --python .venv/bin/python --require-hashes \
  -r requirements.lock
jax=$(.venv/bin/python -c 'import jax; print(jax.__version__)')
"${uv[@]}" pip install --quiet --python .venv/bin/python "jax[tpu]==$jax"
