#!/usr/bin/env bash
#
# Submits a training over several nodes to Slurm, one process a node.
#
#   launch/slurm.sh [--print] [--nodes N] [--gpus N] [--cpus N]
#                   [--time D-HH:MM:SS] [--notice SECONDS] [--tries N]
#                   -- --config configs/voc.py:r101_1_8 --workdir DIR ...
#
# --gpus and --cpus are a node's (defaults 0 and 8). SIGTERM comes --notice
# seconds (default 180) ahead of the time limit; the run saves and the job is
# put back into the queue. Other failures start again inside the job, at most
# --tries (default 3) in all. --workdir must be a folder that every node sees.
# Everything else is sbatch's own: SBATCH_PARTITION, SBATCH_ACCOUNT, ...
# PYTHON is the interpreter, by default .venv/bin/python.
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
    *) die "not understood: $1; flags of the training follow --." ;;
  esac
done
[[ $# -gt 0 ]] || die "no flags of the training after --."
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
