#!/usr/bin/env bash
#
# Trains on this host: CPU, one GPU, several GPUs, or a single TPU host.
#
#   launch/local.sh [--print] [--platform cpu|cuda|tpu] [--gpus 0,1]
#                   [--tries N] -- --config configs/voc.py:r101_1_8 ...
#
# One process uses all devices; --gpus selects some of the GPUs. The flags after
# -- go to python -m ipixmatch_jax.main. Without --platform jax chooses the
# fastest platform that it finds. The training is restarted as launch/restart.sh
# describes, with --tries (default 3). PYTHON is the interpreter (default
# .venv/bin/python).
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "$0")/common.sh"

platform='' gpus='' tries=3
while [[ $# -gt 0 ]]; do
  case $1 in
    --print) print=1; shift ;;
    --platform) needs_value "$1" $#; platform=$2; shift 2 ;;
    --gpus) needs_value "$1" $#; gpus=$2; shift 2 ;;
    --tries) needs_value "$1" $#; tries=$2; shift 2 ;;
    --help) usage; exit ;;
    --) shift; break ;;
    *) die "unknown option $1; put the flags of the training after --." ;;
  esac
done
[[ $# -gt 0 ]] || die "give the flags of the training after --."
[[ $platform =~ ^(|cpu|cuda|tpu)$ ]] ||
  die "--platform must be cpu, cuda or tpu."
[[ $gpus =~ ^([0-9]+(,[0-9]+)*)?$ ]] || die "--gpus=$gpus is not like 0,1."
[[ -z $gpus || $platform =~ ^(|cuda)$ ]] ||
  die "--gpus does not go with --platform $platform."
number --tries "$tries"

settings=()
[[ -z $gpus ]] || platform=cuda
[[ -z $platform ]] || settings+=("JAX_PLATFORMS=$platform")
[[ -z $gpus ]] || settings+=("CUDA_VISIBLE_DEVICES=$gpus")
command=("${PYTHON:-.venv/bin/python}" -m ipixmatch_jax.main
  --num_processes=1 "$@")
[[ ${#settings[@]} -eq 0 ]] || command=(env "${settings[@]}" "${command[@]}")

run cd "$root"
[[ $print ]] || exec launch/restart.sh --tries "$tries" -- "${command[@]}"
show launch/restart.sh --tries "$tries" -- "${command[@]}"
