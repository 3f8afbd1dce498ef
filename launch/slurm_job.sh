#!/usr/bin/env bash
#
# The batch script that launch/slurm.sh submits; it runs on the first node.
#
#   slurm_job.sh TRIES FLAGS_OF_THE_TRAINING...
#
# Slurm sends SIGTERM to the processes of the step. They save together and end
# with 143, and so does srun. Then this script requeues the job, unless Slurm is
# ending it: a cancelled job stays cancelled, and Slurm itself requeues a
# preempted one.
set -euo pipefail

tries=$1
shift
# Slurm may send SIGTERM to this shell too; it must run until the save is done.
trap : TERM
code=0
# If one process fails, the others notice and save, so srun must not kill them.
bash launch/restart.sh --tries "$tries" --end-when-saved -- \
  srun --kill-on-bad-exit=0 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" \
  "${PYTHON:-.venv/bin/python}" -m ipixmatch_jax.main "$@" || code=$?
if [[ $code -eq 143 ]]; then
  state=$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%T)
  [[ $state != RUNNING ]] || scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
