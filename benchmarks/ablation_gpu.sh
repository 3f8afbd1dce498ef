#!/usr/bin/env bash
# Compares the readings of the inter-pixel loss on CamVid with ResNet-50, on one
# GPU. Not yet run on a GPU.
#
#   benchmarks/ablation_gpu.sh CAMVID_ROOT RESNET50.safetensors OUT
#
# For 1/8 and 1/16 of the labels:
#   1. The host is trained without the term for half as many steps, and
#      benchmarks/gradient_scale.py measures the scale of every reading there.
#   2. A sweep trains the six readings with four weights, two thresholds and
#      three seeds.
#   3. A second sweep trains the five rows that are best on val with five more
#      seeds.
# After SIGTERM or SIGINT the same command continues. The second argument is as
# in gpu.sh. ${PYTHON:-python3} must have the packages of requirements.txt and
# jax's CUDA extra. A run has ${STEPS:-1000} steps.
set -euo pipefail
if [[ $# -ne 3 ]]; then
  echo "usage: $0 CAMVID_ROOT RESNET50.safetensors OUT" >&2
  exit 2
fi
root=$(realpath "$1")
weights=$(realpath "$2")
out=$(realpath -m "$3")
steps=${STEPS:-1000}
python=${PYTHON:-python3}
mkdir -p "$out"
cd "$(dirname "$0")/.."
export JAX_COMPILATION_CACHE_DIR=${JAX_COMPILATION_CACHE_DIR:-$out/compiled}

for split in 1_8 1_16; do
  recipe=(
    --config "configs/camvid.py:r50_$split"
    --config.data.root="$root"
    --config.data.crop_size=321
    --config.data.num_workers=8
    --config.precision=bf16
    --config.model.pretrained="$weights"
    --config.model.stem=7x7
    --config.model.allow_missing=layer4
    --config.train.batch_size=8
    --config.train.learning_rate=0.004
    --config.train.head_multiplier=10.0
    --config.inter_pixel.warmup_steps="$((steps / 5))"
    --config.train.eval_every="$steps"
    --config.train.save_every="$((steps / 4))"
  )
  half="$out/half_$split"
  if [[ ! -e "$half/axis.txt" ]]; then
    "$python" -m ipixmatch_jax.main "${recipe[@]}" --workdir "$half" \
      --config.inter_pixel.weight=0 --config.train.steps="$((steps / 2))"
    "$python" -m benchmarks.gradient_scale --workdir "$half" \
      --thresholds 0,0.95 --ratios 0.1,0.3,1,3 --json "$half/scale.json" \
      --axis "$half/axis.txt" | tee "$half/scale.md"
  fi
  recipe+=(--config.train.steps="$steps")
  "$python" -m ipixmatch_jax.sweep "${recipe[@]}" \
    --baseline inter_pixel.weight=0 --grid "$(<"$half/axis.txt")" \
    --grid seed=0,1,2 --workdir "$out/grid_$split"
  # The rows were chosen without these seeds; the host is trained on them too.
  best=$("$python" -m benchmarks.best_rows "$out/grid_$split/sweep.csv" 5)
  "$python" -m ipixmatch_jax.sweep "${recipe[@]}" \
    --baseline inter_pixel.weight=0 --grid "$best" \
    --grid seed=3,4,5,6,7 --workdir "$out/best_$split"
done
echo "The tables are in $out"
