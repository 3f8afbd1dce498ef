"""Starts real runs of one or two processes on this host."""

import json
import os
import pathlib
import socket
import subprocess

from tests import fork_server, xla_flags

HERE = pathlib.Path(__file__).resolve().parent
STEPS = 12
# jax's message when process 1 has gone.
UNHEALTHY = "unhealthy (stopped sending heartbeats):\n1\n"
# The rate is so low that rounding errors do not grow from step to step.
_FIELDS = {
    "model.backbone": "two_convolutions",
    "data.crop_size": 33,
    "train.batch_size": 8,
    "train.steps": STEPS,
    "train.learning_rate": 1e-4,
    "train.eval_every": 4,
    "train.save_every": 2,
    "train.log_every": 1,
    "evaluate.batch_size": 4,
    "pseudo_label.threshold": 0.3,
    "inter_pixel.threshold": 0.3,
}
# The next process finds what this one has compiled.
READ_BY_JAX = {
    "JAX_PLATFORMS": "cpu",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
}
_ENVIRONMENT = READ_BY_JAX | {"PYTHONPATH": str(HERE.parents[1])}


def start(command: list[str], devices: int, **environment) -> subprocess.Popen:
    """Starts a process with this many devices; stdout includes stderr."""
    flags = xla_flags.with_devices(devices)
    changed = _ENVIRONMENT | {"XLA_FLAGS": flags} | environment
    return subprocess.Popen(
        [*fork_server.python(**READ_BY_JAX), *command],
        cwd=HERE.parents[1],
        env=os.environ | changed,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(processes: list[subprocess.Popen], timeout=600):
    """[(exit code, output), ...]; kills all processes after the time limit."""
    try:
        said = [p.communicate(timeout=timeout)[0] for p in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stdout.close()
    return [(p.returncode, s) for p, s in zip(processes, said, strict=True)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def _training(workdir) -> list[str]:
    return [
        *[str(HERE / "process_main.py"), "--config", "configs/shapes.py"],
        *["--workdir", str(workdir), "--plugin", "tests.two_convolutions"],
        *[f"--config.{name}={value}" for name, value in _FIELDS.items()],
    ]


def train_alone(workdir, **environment) -> str:
    """Trains with one process and four devices; returns the output."""
    ((code, said),) = ended([start(_training(workdir), 4, **environment)])
    assert code == 0, said
    return said


def train_pair(workdir, signal_at, **environment):
    """Trains with two processes of two devices each; [(exit code, output)].

    Args:
      workdir: workdir of both processes.
      signal_at: SIGNAL_AT of process 1, see process_main.py.
      environment: of process 0, and SLOW_FROM of both.
    """
    joined = [f"--coordinator=localhost:{free_port()}", "--num_processes=2"]
    # Seconds after which a killed process counts as lost.
    joined += ["--heartbeat_seconds=10"]
    command = _training(workdir) + joined
    told = {"SIGNAL_AT": signal_at}
    told |= {k: v for k, v in environment.items() if k == "SLOW_FROM"}
    first = start([*command, "--process_id=0"], 2, **environment)
    second = start([*command, "--process_id=1"], 2, **told)
    return ended([first, second])


def losses(workdir) -> dict[int, float]:
    """{step: loss}; of lines with the same step the later one counts."""
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    return {row["step"]: row["loss"] for row in rows if "loss" in row}
