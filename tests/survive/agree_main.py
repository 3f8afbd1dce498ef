"""One of two processes that save, break and restore checkpoints together.

Arguments: a workdir, the coordinator and the number of the process. The last
line of its output is what it found, as JSON.
"""

import json
import pathlib
import sys

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ipixmatch_jax.checkpoints.manager import (
    BrokenCheckpointError,
    Checkpoints,
    NotSavedError,
    Saved,
)
from ipixmatch_jax.checkpoints.workdir_lock import InUseError, lock_workdir
from ipixmatch_jax.distributed import processes

SIZE = 200_000


def only_first(do, *arguments):
    """Runs an action in process 0 while the other waits."""
    if jax.process_index() == 0:
        do(*arguments)
    multihost_utils.sync_global_devices("done")


def refused(error, do, *arguments) -> bool:
    try:
        do(*arguments)
    except error:
        return True
    return False


def flip_a_bit(folder: pathlib.Path) -> None:
    files = [path for path in folder.glob("student/d/*") if path.is_file()]
    path = max(files, key=lambda path: path.stat().st_size)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def fill(disk: pathlib.Path) -> None:
    with (disk / "fill").open("wb", buffering=0) as file:
        while not refused(OSError, file.write, b"x" * 4096):
            pass


def main(workdir: pathlib.Path) -> dict:
    sharding = NamedSharding(
        Mesh(np.asarray(jax.devices()), "data"), PartitionSpec("data")
    )

    def tree(step):
        whole = np.full(SIZE, step, np.float32)
        cut = np.split(whole, 2)[jax.process_index()]
        return {"w": jax.make_array_from_process_local_data(sharding, cut)}

    like = jax.ShapeDtypeStruct((SIZE,), np.float32, sharding=sharding)
    seen = {}
    with lock_workdir(workdir), Checkpoints(workdir) as saved:
        seen["second lock refused"] = refused(
            InUseError, lock_workdir(workdir).__enter__
        )
        for step in (2, 4, 6):
            best = Saved(float(step), step)
            saved.save(step, {"student": tree(step)}, best, {}, best.score)
        saved.finish()
    only_first(flip_a_bit, workdir / "checkpoints/6")
    with Checkpoints(workdir, read_only=True) as saved:
        seen["reader refused"] = refused(
            BrokenCheckpointError, saved.restore, 6, {"student": {"w": like}}
        )
    with lock_workdir(workdir), Checkpoints(workdir) as saved:
        seen["steps"] = saved.steps()
        restored = saved.restore(4, {"student": {"w": like}})["student"]["w"]
        parts = [np.asarray(s.data) for s in restored.addressable_shards]
        seen["values"] = np.unique(parts).tolist()
        only_first(fill, workdir)
        saved.save(8, {"student": tree(8)}, Saved(8.0, 8), {}, 8.0)
        seen["full disk noticed"] = refused(NotSavedError, saved.finish)
        seen["best left"] = saved.best_on_disk(Saved(8.0, 8)).step
        only_first((workdir / "fill").unlink)
        saved.save(10, {"student": tree(10)}, Saved(4.0, 4), {}, None)
        saved.finish()
        seen["steps after it"] = saved.steps()
    for step in (4, 10):
        only_first(flip_a_bit, workdir / f"checkpoints/{step}")
    seen["none left refused"] = refused(
        BrokenCheckpointError, Checkpoints, workdir
    )
    return seen


if __name__ == "__main__":
    folder, coordinator, number = sys.argv[1:]
    processes.initialise(coordinator, 2, int(number))
    print(json.dumps(main(pathlib.Path(folder))))
