"""Kills one run again and again, and compares its end with a run left alone:

JAX_PLATFORMS=cpu python -m benchmarks.kill_loop --kills 30 --out DIR

A run of a tiny network saves after every step. It gets SIGKILL at random
moments, half of them when a checkpoint is being written, and each time the same
command continues it. At the end every array of its last checkpoint and every
logged loss must have the same bits as those of an uninterrupted run. Exits with
1 if they do not. With a compilation cache (JAX_COMPILATION_CACHE_DIR) a start
takes seconds.
"""

import argparse
import pathlib
import random
import subprocess
import sys
import time
from typing import NamedTuple

import jax
import numpy as np

from ipixmatch_jax.checkpoints.manager import Checkpoints
from ipixmatch_jax.configuration.saved import load_config
from ipixmatch_jax.distributed.mesh import make_mesh
from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.report.metrics_log import read_metrics
from ipixmatch_jax.training import setup
from ipixmatch_jax.training.state_trees import checkpoint_trees

_FIELDS = {
    "data.crop_size": 33,
    "train.batch_size": 2,
    "train.save_every": 1,
    "train.eval_every": 50,
    "train.log_every": 1,
    "mesh.data": 1,
}
_UNFINISHED = "checkpoints/*.orbax-checkpoint-tmp"
_PATIENCE = 600  # seconds that a start may take


class Kill(NamedTuple):
    """One kill.

    Attributes:
      step: of the newest finished checkpoint; 0 before the first.
      in_save: whether an unfinished checkpoint was left.
    """

    step: int
    in_save: bool


def command(workdir: pathlib.Path, steps: int) -> list[str]:
    """The command of the run, which also continues it."""
    fields = _FIELDS | {"train.steps": steps}
    return [
        *[sys.executable, "-m", "ipixmatch_jax.main"],
        *["--config", "shapes.py", "--workdir", str(workdir)],
        *[f"--config.{name}={value}" for name, value in fields.items()],
    ]


def newest_step(workdir: pathlib.Path) -> int:
    """The step of the newest finished checkpoint, 0 if there is none."""
    names = [path.name for path in workdir.glob("checkpoints/*")]
    return max((int(name) for name in names if name.isdigit()), default=0)


def kill_once(
    workdir: pathlib.Path, steps: int, draw: random.Random
) -> Kill | None:
    """Starts the run and kills it at a random moment.

    Half of the kills wait for a save to begin and come up to 50 ms later; the
    others come up to 3 s after the first save of this start.

    Returns:
      None where the run ended before.
    """
    in_save, before = draw.random() < 0.5, newest_step(workdir)
    saves = before + draw.randint(1, 3)
    log = (workdir.parent / "log.txt").open("ab")
    with (
        log,
        subprocess.Popen(
            command(workdir, steps), stdout=log, stderr=log
        ) as process,
    ):
        until = time.monotonic() + _PATIENCE
        while process.poll() is None and time.monotonic() < until:
            if newest_step(workdir) >= saves - in_save and (
                not in_save or any(workdir.glob(_UNFINISHED))
            ):
                break
            time.sleep(0.002)
        time.sleep(draw.uniform(0, 0.05 if in_save else 3.0))
        if process.poll() is not None:
            return None
        process.kill()
    return Kill(newest_step(workdir), any(workdir.glob(_UNFINISHED)))


def read_end(workdir: pathlib.Path) -> tuple[int, dict, dict[int, float]]:
    """The last step, its checkpoint's arrays, and the loss of every step."""
    config = load_config(workdir)
    mesh = make_mesh(config.mesh.data, config.mesh.fsdp)
    parts = setup.build(config, open_data(config), mesh)
    with Checkpoints(workdir, read_only=True) as checkpoints:
        step = checkpoints.steps()[-1]
        trees = checkpoints.restore(step, checkpoint_trees(parts.like))
    losses = read_metrics(workdir / "metrics.jsonl").series["loss"]
    return step, jax.tree.map(np.asarray, trees), losses


def count_differences(one: pathlib.Path, other: pathlib.Path) -> int:
    """How many arrays of the ends of two runs, and logged losses, differ."""
    (step, trees, losses), (at, others, wanted) = read_end(one), read_end(other)
    same = jax.tree.map(
        lambda a, b: a.dtype == b.dtype and a.tobytes() == b.tobytes(),
        trees,
        others,
    )
    differing = [leaf for leaf in jax.tree.leaves(same) if not leaf]
    return len(differing) + (step != at) + (losses != wanted)


def main() -> None:
    """Kills, continues and compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument(
        "--out", type=pathlib.Path, required=True, help="a folder to make"
    )
    args = parser.parse_args()
    draw = random.Random(args.seed)
    args.out.mkdir(parents=True)  # must be new
    killed, whole = args.out / "killed", args.out / "whole"
    kills: list[Kill] = []
    while len(kills) < args.kills:
        kill = kill_once(killed, args.steps, draw)
        if kill is None:
            break
        kills.append(kill)
        print(f"kill {len(kills)}: {kill}", flush=True)
    for workdir in (killed, whole):
        with (args.out / "log.txt").open("ab") as log:
            subprocess.run(
                command(workdir, args.steps), stdout=log, stderr=log, check=True
            )
    differing = count_differences(killed, whole)
    print(
        f"{len(kills)} kills, {sum(k.in_save for k in kills)} of them inside a "
        f"save, between step 0 and {kills[-1].step if kills else 0} of "
        f"{args.steps}: {differing} differences"
    )
    sys.exit(int(differing > 0 or len(kills) < args.kills))


if __name__ == "__main__":
    main()
