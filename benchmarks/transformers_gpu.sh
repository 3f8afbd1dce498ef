#!/usr/bin/env bash
# Measures the train step of UniMatch V2 on one GPU: DINOv2-S and -B with a DPT
# head, crop 518, bfloat16, with XLA's attention and with cuDNN's fused one.
# Has not finished on a GPU: on one H200, compiling four of these steps at a
# time took more than 95 s, and the time there was over (docs/benchmarks.md).
#
#   benchmarks/transformers_gpu.sh [BATCH]
#
# BATCH (default 4) is the number of labelled images in a step, and of
# unlabelled ones. ${PYTHON:-python3} must have the packages of
# requirements.txt and jax's CUDA extra. The last row times ours beside PyTorch
# where torch is installed. Prints images/s, share of the peak and memory;
# writes JSON files to $OUT (default: a new temporary folder), and keeps the
# compiled programs there: repeat the command with the same OUT to go on.
set -euo pipefail
batch=${1:-4}
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
out=$(realpath -m "${OUT:-$(mktemp -d)}")
mkdir -p "$out"
export JAX_COMPILATION_CACHE_DIR=${JAX_COMPILATION_CACHE_DIR:-$out/compiled}
# Without it, XLA tries Triton kernels for every matrix product, and compiling
# takes minutes.
export XLA_FLAGS="--xla_gpu_enable_triton_gemm=false ${XLA_FLAGS:-}"

"$python" -c 'import sys, jax
print("jax", jax.__version__, *jax.devices())
sys.exit(jax.default_backend() != "gpu" and "jax sees no GPU")'

measure() {  # BACKBONE ATTENTION WEIGHT
  local json="$out/$1_$2_$3.json"
  [[ -e "$json" ]] && return
  echo "== $1, attention $2, inter-pixel weight $3"
  "$python" -m benchmarks.step --config "configs/voc.py:$1_92" \
    --config.precision=bf16 \
    --config.model.attention="$2" \
    --config.train.batch_size="$batch" \
    --config.inter_pixel.weight="$3" \
    --config.inter_pixel.on=grid \
    --json "$json"
}

# What is asked first comes first.
measure dinov2s auto 0.1
measure dinov2s cudnn 0.1
measure dinov2b auto 0.1
measure dinov2b cudnn 0.1
echo "== dinov2s beside PyTorch"
"$python" -m benchmarks.peers --device gpu --precision bf16 --sides 518 \
  --batch "$batch" --json "$out/peers.json"
measure dinov2s auto 0
measure dinov2b auto 0
echo "The JSON files are in $out"
