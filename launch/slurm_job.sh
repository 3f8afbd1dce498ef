#!/usr/bin/env bash
#
# The batch script of launch/slurm.sh; sbatch runs it on the first node.
#
#   slurm_job.sh TRIES FLAGS_OF_THE_TRAINING...
#
# Slurm sends SIGTERM to the processes of the step. They save together and end
# with 143, which srun passes on; then the job goes back into the queue, unless
# Slurm itself is ending it: a cancelled job stays so, a preempted one is
# requeued by Slurm.
set -euo pipefail

tries=$1
shift
# Slurm may signal this shell as well; it has to outlive the save.
trap : TERM
code=0
# One process that fails must not take the others' save with it: they notice
# by themselves, so srun is not to kill.
bash launch/restart.sh --tries "$tries" --end-when-saved -- \
  srun --kill-on-bad-exit=0 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" \
  "${PYTHON:-.venv/bin/python}" -m ipixmatch_jax.main "$@" || code=$?
if [[ $code -eq 143 ]]; then
  state=$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%T)
  [[ $state != RUNNING ]] || scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
