"""The training command on few scenes; a test can pause or kill it.

HOLD_AT=3,5: before it counts one of these steps as done, the run writes the
file `reached_<step>` into the parent of its workdir and waits for `go_<step>`.
KILL_IN=create:4 or finalize:4: the run is killed inside the save after step 4,
when the folder is still empty, or when only the checksums are missing.
"""

import os
import pathlib
import signal
import time

from ipixmatch_jax import main
from ipixmatch_jax.checkpoints import manager
from ipixmatch_jax.data.datasets import shapes
from ipixmatch_jax.training.writer import Writer

shapes.VAL, shapes.TEST = 3, 2


def hold_at(steps: list[int], folder: pathlib.Path) -> None:
    advance = Writer.advance

    def held(self, step):
        if step in steps:
            (folder / f"reached_{step}").touch()
            while not (folder / f"go_{step}").exists():
                time.sleep(0.02)
        advance(self, step)

    Writer.advance = held


def kill_in(method: str, step: str) -> None:
    summed = manager._ChecksummedPath
    usual = getattr(summed, method)

    async def killed(self):
        if self.get_final().name != step:
            return await usual(self)
        if method == "create":
            await usual(self)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(summed, method, killed)


if __name__ == "__main__":
    if "HOLD_AT" in os.environ:
        steps = [int(step) for step in os.environ["HOLD_AT"].split(",")]
        hold_at(steps, pathlib.Path(os.environ["FOLDER"]))
    if "KILL_IN" in os.environ:
        kill_in(*os.environ["KILL_IN"].split(":"))
    main.run()
