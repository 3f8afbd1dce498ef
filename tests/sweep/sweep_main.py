"""A sweep over two seeds of the smallest run: sweep_main.py FOLDER [pause].

With `pause` the process stops itself (SIGSTOP) in its first cell's third step.
"""

import logging
import os
import pathlib
import signal
import sys

from ipixmatch_jax.data.datasets import shapes
from ipixmatch_jax.sweep import grid, runner
from ipixmatch_jax.training.writer import Writer
from tests.tiny_run import tiny

SEEDS = (0, 1)


def pause_at_third_step() -> None:
    advance = Writer.advance

    def paused(self, step):
        if step == 3:
            os.kill(os.getpid(), signal.SIGSTOP)
        advance(self, step)

    Writer.advance = paused


if __name__ == "__main__":
    shapes.VAL, shapes.TEST = 3, 2
    logger = logging.getLogger("ipixmatch_jax.sweep")
    logger.addHandler(logging.StreamHandler())
    logger.setLevel(logging.INFO)
    logger.propagate = False
    folder = pathlib.Path(sys.argv[1])
    if sys.argv[2:] == ["pause"]:
        pause_at_third_step()
    plain = {"method": "supervised", "teacher": "shared"}
    config = tiny(**plain, **{"inter_pixel.weight": 0.0, "train.save_every": 2})
    seeds = f"seed={','.join(map(str, SEEDS))}"
    sys.exit(
        runner.run_sweep(grid.make_grid(config, [seeds], None, folder), folder)
    )
