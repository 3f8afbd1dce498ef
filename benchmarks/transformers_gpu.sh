#!/usr/bin/env bash
# Measures the train step of UniMatch V2 on one GPU: DINOv2-S and -B with a DPT
# head, crop 518, bfloat16, with cuDNN's fused attention (auto) and with XLA's.
# What it measures was measured on one H200 (docs/benchmarks.md), by the same
# programs; this script as a whole has not been run.
#
#   benchmarks/transformers_gpu.sh [BATCH]
#
# BATCH (default 4) is the number of labelled images in a step, and of
# unlabelled ones. ${PYTHON:-python3} must have the packages of
# requirements.txt and jax's CUDA extra. The last row times ours beside PyTorch
# where torch is installed. All steps are compiled at the same time, then timed
# one after the other. Prints images/s, share of the peak and memory; writes
# JSON files to $OUT (default: a new temporary folder), and keeps the compiled
# programs there: repeat the command with the same OUT to go on.
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
# One process would take the memory of all.
export XLA_PYTHON_CLIENT_PREALLOCATE=false

"$python" -c 'import sys, jax
print("jax", jax.__version__, *jax.devices())
sys.exit(jax.default_backend() != "gpu" and "jax sees no GPU")'

measure() {  # BACKBONE ATTENTION WEIGHT STEPS JSON
  "$python" -m benchmarks.step --config "configs/voc.py:$1_92" \
    --config.precision=bf16 \
    --config.model.attention="$2" \
    --config.train.batch_size="$batch" \
    --config.inter_pixel.weight="$3" \
    --config.inter_pixel.on=grid \
    --steps "$4" --keep_programs --json "$5"
}

rows=(
  "dinov2s auto 0.1" "dinov2s xla 0.1" "dinov2b auto 0.1" "dinov2b xla 0.1"
  "dinov2s auto 0" "dinov2b auto 0"
)
compiling=()
for row in "${rows[@]}"; do
  read -r backbone attention weight <<<"$row"
  json="$out/compiled_${row// /_}.json"
  [[ -e "$json" ]] && continue
  measure "$backbone" "$attention" "$weight" 1 "$json" >"${json%.json}.log" &
  compiling+=($!)
done
for process in "${compiling[@]}"; do
  wait "$process"
done
for row in "${rows[@]}"; do
  read -r backbone attention weight <<<"$row"
  echo "== $backbone, attention $attention, inter-pixel weight $weight"
  measure "$backbone" "$attention" "$weight" 30 "$out/${row// /_}.json"
done
echo "== dinov2s beside PyTorch"
"$python" -m benchmarks.peers --device gpu --precision bf16 --names unimatch_v2 \
  --sides 518 --batch "$batch" --rounds 5 --steps 10 --json "$out/peers.json"
echo "The JSON files are in $out"
