#!/usr/bin/env bash
# Measures the train step of UniMatch V2 on one GPU: DINOv2-S and -B with a DPT
# head, crop 518, bfloat16, with XLA's attention and with cuDNN's fused one.
# Not yet run on a GPU.
#
#   benchmarks/transformers_gpu.sh [BATCH]
#
# BATCH (default 4) is the number of labelled images in a step, and of
# unlabelled ones. ${PYTHON:-python3} must have the packages of
# requirements.txt and jax's CUDA extra. Prints images/s, share of the peak and
# memory; writes JSON files to $OUT (default: a new temporary folder).
set -euo pipefail
batch=${1:-4}
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
out=$(realpath -m "${OUT:-$(mktemp -d)}")
mkdir -p "$out"

"$python" -c 'import sys, jax
print("jax", jax.__version__, *jax.devices())
sys.exit(jax.default_backend() != "gpu" and "jax sees no GPU")'

for backbone in dinov2s dinov2b; do
  for attention in auto cudnn; do
    for weight in 0 0.1; do
      echo "== $backbone, attention $attention, inter-pixel weight $weight"
      "$python" -m benchmarks.step --config "configs/voc.py:${backbone}_92" \
        --config.precision=bf16 \
        --config.model.attention="$attention" \
        --config.train.batch_size="$batch" \
        --config.inter_pixel.weight="$weight" \
        --config.inter_pixel.on=grid \
        --json "$out/${backbone}_${attention}_$weight.json"
    done
  done
done
echo "The JSON files are in $out"
