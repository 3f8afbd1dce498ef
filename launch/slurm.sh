#!/usr/bin/env bash
#
# Submits a training on one or more nodes to Slurm, one process per node.
#
#   launch/slurm.sh [--print] [--nodes N] [--gpus N] [--cpus N]
#                   [--time D-HH:MM:SS] [--notice SECONDS] [--tries N]
#                   -- --config configs/voc.py:r101_1_8 --workdir DIR ...
#
# --gpus and --cpus are per node (defaults 0 and 8). Slurm sends SIGTERM
# --notice seconds (default 180) before the time limit; the run saves, and the
# job goes back into the queue. After other failures the training starts again
# inside the job, until it has failed --tries times (default 3). --workdir must
# be a folder that every node can see. Set other options of sbatch through its
# variables: SBATCH_PARTITION, SBATCH_ACCOUNT, ... PYTHON is the interpreter
# (default .venv/bin/python).
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "$0")/common.sh"

nodes=1 gpus=0 cpus=8 time=1-00:00:00 notice=180 tries=3
while [[ $# -gt 0 ]]; do
  case $1 in
    --print) print=1; shift ;;
    --nodes) needs_value "$1" $#; nodes=$2; shift 2 ;;
    --gpus) needs_value "$1" $#; gpus=$2; shift 2 ;;
    --cpus) needs_value "$1" $#; cpus=$2; shift 2 ;;
    --time) needs_value "$1" $#; time=$2; shift 2 ;;
    --notice) needs_value "$1" $#; notice=$2; shift 2 ;;
    --tries) needs_value "$1" $#; tries=$2; shift 2 ;;
    --help) usage; exit ;;
    --) shift; break ;;
    *) die "unknown option $1; put the flags of the training after --." ;;
  esac
done
[[ $# -gt 0 ]] || die "give the flags of the training after --."
number --nodes "$nodes"
number --gpus "$gpus" 0
number --cpus "$cpus"
number --notice "$notice"
number --tries "$tries"

options=(--job-name=ipixmatch_jax "--chdir=$root"
  "--nodes=$nodes" --ntasks-per-node=1 "--cpus-per-task=$cpus"
  "--time=$time" "--signal=TERM@$notice" --requeue
  --open-mode=append --output=slurm-%j.log)
[[ $gpus -eq 0 ]] || options+=("--gpus-per-node=$gpus")
run sbatch "${options[@]}" "$root/launch/slurm_job.sh" "$tries" "$@"
