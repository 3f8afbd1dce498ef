#!/usr/bin/env bash
#
# Trains on this host: CPU, one GPU, several GPUs, or a single TPU host.
#
#   launch/local.sh [--print] [--platform cpu|cuda|tpu] [--gpus 0,1]
#                   [--tries N] -- --config configs/voc.py:r101_1_8 ...
#
# One process drives every device that it sees; --gpus narrows them. What
# follows -- goes to python -m ipixmatch_jax.main. Without --platform jax takes
# the best it finds. Starts again as launch/restart.sh says (--tries, default
# 3). PYTHON is the interpreter, by default .venv/bin/python.
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
    *) die "not understood: $1; flags of the training follow --." ;;
  esac
done
[[ $# -gt 0 ]] || die "no flags of the training after --."
[[ $platform =~ ^(|cpu|cuda|tpu)$ ]] || die "--platform is cpu, cuda or tpu."
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
