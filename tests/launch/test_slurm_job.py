"""The Slurm job with stand-ins for Slurm's commands."""

import json
import os
import shlex

import pytest

from tests import fork_server, xla_flags

pytestmark = pytest.mark.slow

# Stand-in for srun: one task per node, all on this host; ends with the highest
# exit code.
SRUN = """
while [[ $1 == --* ]]; do shift; done
for ((id = 0; id < SLURM_NTASKS; id++)); do
  SLURM_STEP_NUM_TASKS=$SLURM_NTASKS SLURM_STEP_NODELIST=localhost \\
    SLURM_PROCID=$id SLURM_LOCALID=0 "$@" &
  tasks+=($!)
done
trap 'kill -s TERM "${tasks[@]}"' TERM
highest=0
for task in "${tasks[@]}"; do
  code=0; wait "$task" || code=$?
  while kill -0 "$task" 2>/dev/null; do code=0; wait "$task" || code=$?; done
  [[ $code -le $highest ]] || highest=$code
done
exit "$highest"
"""

# Stand-in for sbatch: runs the job at once, in the requested folder and with
# the requested number of nodes.
SBATCH = """
while [[ $1 == --* ]]; do
  case $1 in
    --chdir=*) cd "${1#*=}" ;;
    --nodes=*) export SLURM_NTASKS=${1#*=} ;;
  esac
  shift
done
exec bash "$@"
"""


@pytest.fixture
def slurm(host):
    host.program("srun", SRUN)
    host.program("sbatch", SBATCH)
    host.program("scontrol")
    # The port of process 0 is derived from the job id.
    job = str(os.getpid())
    host.environment |= {"SLURM_JOB_ID": job}
    return host


@pytest.mark.parametrize(
    ("code", "state", "requeued"),
    [
        (143, "RUNNING", True),
        (143, "CANCELLED", False),
        (143, "PREEMPTED", False),
        (7, "RUNNING", False),
        (0, "RUNNING", False),
    ],
)
def test_which_jobs_go_back_into_the_queue(slurm, code, state, requeued):
    slurm.program("squeue", f"echo {state}")
    training = slurm.program("training", f"exit {code}")
    slurm.environment["PYTHON"] = str(training)
    words = ["--nodes", 2, "--tries", 1, "--", "--config", "a b.py"]
    ended, _, _ = slurm.run("slurm.sh", *words)
    assert ended == code
    job = slurm.environment["SLURM_JOB_ID"]
    assert slurm.seen("scontrol") == [["requeue", job]] * requeued
    ran = ["-m", "ipixmatch_jax.main", "--config", "a b.py"]
    assert slurm.seen("training") == [ran] * 2


def test_two_processes_save_together_and_go_back_into_the_queue(slurm):
    workdir = slurm.folder / "run"
    # One process gets SIGTERM once a step has been logged.
    metrics = workdir / "metrics.jsonl"
    until = f'(until [[ -s "{metrics}" ]]; do sleep 0.1; done'
    told = f'{until}; kill -s TERM "${{tasks[1]}}") &\ntrap'
    slurm.program("srun", SRUN.replace("trap", told, 1))
    slurm.program("squeue", "echo RUNNING")
    python = shlex.join(fork_server.python())
    slurm.environment |= {
        "PYTHON": str(slurm.program("interpreter", f'exec {python} "$@"')),
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": xla_flags.with_devices(1),
    }
    code, out, err = slurm.run(
        *["slurm.sh", "--nodes", 2, "--tries", 1, "--"],
        *["--config", "configs/shapes.py", "--workdir", workdir],
        *["--plugin=tests.two_convolutions"],
        *["--config.model.backbone=two_convolutions"],
        *["--config.method=supervised", "--config.teacher=shared"],
        *["--config.inter_pixel.weight=0", "--config.data.crop_size=33"],
        *["--config.train.steps=100000", "--config.train.log_every=1"],
        *["--config.train.eval_every=100000"],
        *["--config.train.save_every=100000"],
        timeout=240,
    )
    assert code == 143, out + err
    assert "Process 0 of 2" in err
    assert "Process 1 of 2" in err
    rows = metrics.read_text().splitlines()
    steps = [json.loads(line)["step"] for line in rows]
    (saved,) = (workdir / "checkpoints").iterdir()
    assert saved.name == str(steps[-1])
    assert err.count(f"Saved {saved}") == 2
    assert len(slurm.seen("scontrol")) == 1
