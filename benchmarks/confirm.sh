#!/usr/bin/env bash
# Trains the runs of step 3 of docs/ablation.md's second study: the host and two
# finalists on two data sets, 32 seeds each, 1,600 steps. Meant for one GPU.
#
#   benchmarks/confirm.sh ANIMALS CAMVID RESNET50.safetensors OUT
#
# PROCESSES (8) processes share the runs out, so that short steps fill a GPU; its
# multi-process service (nvidia-cuda-mps-control -d) lets them run at once. SIGTERM
# and SIGINT stop them all; the same command continues. At the end, or when it is
# stopped, rows for docs/ablation/confirm.csv are printed, as `python -m
# benchmarks.study_rows confirm OUT benchmarks/confirm.sh` does. The exit code is 1
# if a process failed or was stopped. SEEDS and STEPS change the plan, for a trial.
set -euo pipefail
if [[ $# -ne 4 ]]; then
  echo "usage: $0 ANIMALS CAMVID RESNET50.safetensors OUT" >&2
  exit 2
fi
animals=$(realpath "$1")
camvid=$(realpath "$2")
weights=$(realpath "$3")
out=$(realpath -m "$4")
python=${PYTHON:-python3}
seeds=${SEEDS:-$(seq -s, 100 131)}
steps=${STEPS:-1600}
mkdir -p "$out"
cd "$(dirname "$0")/.."
export JAX_COMPILATION_CACHE_DIR=${JAX_COMPILATION_CACHE_DIR:-$out/compiled}
export XLA_PYTHON_CLIENT_PREALLOCATE=false

sweep() { # sweep DATA ARM FIELD=VALUE...: becomes the sweep of an arm
  local data=$1 arm=$2 given=()
  shift 2
  if [[ $data == camvid_23 ]]; then
    given=(--config configs/camvid.py:r50c4_1_16,method=fixmatch
      --config.data.root="$camvid")
  else
    given=(--config configs/folder.py:r50c4,method=fixmatch
      --config.data.root="$animals"
      --config.data.splits_dir="$animals/splits/1_32")
  fi
  for field in "$@"; do given+=("--config.$field"); done
  exec "$python" -m ipixmatch_jax.sweep "${given[@]}" \
    --config.model.pretrained="$weights" \
    --config.train.learning_rate=0.004 \
    --config.train.head_multiplier=5.0 \
    --config.pseudo_label.threshold=0.7 \
    --config.train.steps="$steps" \
    --config.train.eval_every="$steps" \
    --config.train.save_every="$steps" \
    --grid seed="$seeds" --workdir "$out/$data/$arm"
}

arm() { # arm NUMBER: one of the six combinations of data set and arm
  local data=camvid_23
  if (($1 % 2)); then data=voc_animals_50; fi
  case $(($1 / 2)) in
    0) sweep $data host inter_pixel.weight=0.0 ;;
    1) sweep $data cell_6 inter_pixel.weight=0.1654 \
      inter_pixel.relation=channel inter_pixel.distance=correlation \
      inter_pixel.on=head inter_pixel.threshold=0.7 ;;
    2) sweep $data cell_11 inter_pixel.weight=0.1 \
      inter_pixel.relation=agents inter_pixel.distance=kl \
      inter_pixel.on=features inter_pixel.threshold=0.0 \
      inter_pixel.agents=64 ;;
  esac
}

take_part() { # take_part PROCESS: all arms, one after another
  local turn child=
  trap 'kill "$child" && wait "$child" || true; exit 143' TERM
  # Each begins elsewhere, so that no two compile the same program at first.
  for ((turn = 0; turn < 6; turn++)); do
    arm $((($1 + turn) % 6)) &
    child=$!
    wait "$child"
  done
}

wait_for() { # wait_for PID: its exit code, even if a signal ends a wait
  local code=0
  wait "$1" || code=$?
  while kill -0 "$1" 2>/dev/null; do
    code=0
    wait "$1" || code=$?
  done
  return $code
}

pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true' TERM INT
for ((process = 0; process < ${PROCESSES:-8}; process++)); do
  take_part $process >"$out/process_$process.log" 2>&1 &
  pids+=("$!")
done
failed=0
for process in "${!pids[@]}"; do
  wait_for "${pids[process]}" && continue
  echo "Process $process did not end well: $out/process_$process.log" >&2
  failed=1
done
"$python" -m benchmarks.study_rows confirm "$out" benchmarks/confirm.sh
exit $failed
