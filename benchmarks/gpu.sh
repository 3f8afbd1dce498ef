#!/usr/bin/env bash
# Measures on one GPU: training of ResNet-50 on CamVid at full size, train
# steps without the input pipeline, and the inter-pixel loss.
# Not yet run on a GPU.
#
#   benchmarks/gpu.sh CAMVID_ROOT [RESNET50.safetensors]
#
# The second argument is a file of ResNet-50 weights with torchvision's tensor
# names (7x7 stem); layer4 may be missing. ${PYTHON:-python3} must have the
# packages of requirements.txt and jax's CUDA extra. Prints images/s, memory
# and tables; writes JSON files to $OUT (default: a new temporary folder).
set -euo pipefail
if [[ $# -lt 1 || $# -gt 2 ]]; then
  echo "usage: $0 CAMVID_ROOT [RESNET50.safetensors]" >&2
  exit 2
fi
root=$(realpath "$1")
weights=()
if [[ $# -eq 2 ]]; then
  weights=(
    --config.model.pretrained="$(realpath "$2")"
    --config.model.stem=7x7
    --config.model.allow_missing=layer4
  )
fi
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
out=$(realpath -m "${OUT:-$(mktemp -d)}")
mkdir -p "$out"

"$python" -c 'import sys, jax
print("jax", jax.__version__, *jax.devices())
sys.exit(jax.default_backend() != "gpu" and "jax sees no GPU")'

camvid=(
  --config configs/camvid.py:r50_1_8
  --config.data.root="$root"
  --config.data.crop_size=353
  --config.precision=bf16
  "${weights[@]}"
)

echo "== CamVid, ResNet-50, crop 353, bf16: training"
"$python" -m ipixmatch_jax.main "${camvid[@]}" \
  --workdir "$out/camvid_r50" \
  --config.data.num_workers=8 \
  --config.train.steps=300 \
  --config.train.eval_every=300 \
  --config.train.save_every=300
# The first row includes the compilation and is left out of the median.
"$python" - "$out/camvid_r50/metrics.jsonl" <<'EOF'
import json
import statistics
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    lines = [json.loads(line) for line in file]
rates = [x["images_per_second"] for x in lines if "images_per_second" in x]
print(f"images/s while training, median: {statistics.median(rates[1:]):.1f}")
EOF

echo "== CamVid, ResNet-50, crop 353, bf16: the step alone, with its memory"
"$python" -m benchmarks.step "${camvid[@]}" --json "$out/camvid_r50.json"

for precision in f32 bf16; do
  echo "== VOC, ResNet-101, crop 321, $precision: the step alone"
  "$python" -m benchmarks.step --config configs/voc.py:r101_1_8 \
    --config.data.crop_size=321 --config.precision="$precision" \
    --json "$out/voc_r101_$precision.json"
done
echo "== The inter-pixel loss, every reading"
"$python" -m benchmarks.inter_pixel --json "$out/inter_pixel.json"
for block in 1024 2048; do
  echo "== affinity/kl in tiles of $block"
  "$python" -m benchmarks.inter_pixel --readings=affinity/kl --block="$block" \
    --naive_gib 0 --json "$out/affinity_kl_$block.json"
done

echo "== Each reading's share of the step: VOC, ResNet-101, crop 321, bf16"
"$python" -m benchmarks.inter_pixel_share --config configs/voc.py:r101_1_8 \
  --config.data.crop_size=321 --config.precision=bf16 \
  --json "$out/inter_pixel_share.json"
echo "The JSON files are in $out"
