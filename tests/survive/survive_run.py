"""Starts real runs of a tiny network in processes of their own."""

import contextlib
import os
import pathlib
import subprocess
import sys
import time

import jax
import numpy as np

from ipixmatch_jax.checkpoints.manager import Checkpoints
from ipixmatch_jax.configuration import saved as configuration
from ipixmatch_jax.training.state_trees import checkpoint_trees
from tests import fork_server, xla_flags
from tests.survive.process_run import READ_BY_JAX
from tests.tiny_run import build

HERE = pathlib.Path(__file__).resolve().parent
# The run saves after steps 2, 3, 4 and 6, and after a signal.
FIELDS = {
    "model.backbone": "two_convolutions",
    "method": "supervised",
    "teacher": "shared",
    "inter_pixel.weight": 0,
    "data.crop_size": 33,
    "train.batch_size": 2,
    "train.steps": 6,
    "train.eval_every": 3,
    "train.save_every": 2,
    "train.log_every": 1,
    "evaluate.batch_size": 4,
    "mesh.data": 1,
}
_ENVIRONMENT = READ_BY_JAX | {
    "XLA_FLAGS": xla_flags.with_devices(1),
    "PYTHONPATH": str(HERE.parents[1]),
}


def command(workdir, alone=False, **changes) -> list[str]:
    """The words that start a run; `alone`: as a process of its own."""
    fields = FIELDS | changes
    python = (sys.executable,) if alone else fork_server.python(**READ_BY_JAX)
    return [
        *[*python, str(HERE / "survive_main.py")],
        *["--config", "configs/shapes.py", "--workdir", str(workdir)],
        *["--plugin", "tests.two_convolutions"],
        *[f"--config.{name}={value}" for name, value in fields.items()],
    ]


@contextlib.contextmanager
def started(workdir, *, hold_at="", kill_in="", alone=False, **changes):
    """Starts a run; kills it at the end if the test has not ended it."""
    environment = os.environ | _ENVIRONMENT | {"FOLDER": str(workdir.parent)}
    given = {"HOLD_AT": hold_at, "KILL_IN": kill_in}
    environment |= {name: value for name, value in given.items() if value}
    with subprocess.Popen(
        command(workdir, alone, **changes),
        cwd=HERE.parents[1],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run(workdir, **options) -> tuple[int, str]:
    """Runs to the end; returns (exit code, output)."""
    with started(workdir, **options) as process:
        out, err = process.communicate(timeout=240)
    return process.returncode, out + err


def wait_for(process, path: pathlib.Path) -> None:
    """Waits until a run has written a file; fails if the run ends first."""
    until = time.monotonic() + 240
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)


def checkpoints(workdir) -> list[str]:
    """The file names in the folder of checkpoints."""
    return sorted(path.name for path in (workdir / "checkpoints").iterdir())


def read(workdir, step):
    """Every array of a checkpoint, as NumPy."""
    config = configuration.load_config(workdir)
    with Checkpoints(workdir, read_only=True) as saved:
        like = checkpoint_trees(build(config).like)
        return jax.tree.map(np.asarray, saved.restore(step, like))


def assert_same(workdir, other, step=6):
    """Asserts that both runs have the same bits after this step."""
    jax.tree.map(
        np.testing.assert_array_equal, read(workdir, step), read(other, step)
    )
