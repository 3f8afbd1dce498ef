"""The training command on few scenes, with processes that signal themselves.

SIGNAL_AT=SIGINT:3: this process gets SIGINT after it has counted step 3.
SLOW_FROM=3: from step 3 on every step takes a second longer.
CONFUSION=FILE: every evaluation appends its confusion matrices to FILE.
"""

import json
import os
import pathlib
import signal
import time

from ipixmatch_jax import main
from ipixmatch_jax.data.datasets import shapes
from ipixmatch_jax.experiment import evaluator
from ipixmatch_jax.training.writer import Writer

# Deliberately not a multiple of the evaluation batch.
shapes.VAL, shapes.TEST = 7, 1


def disturb(name: str, at: int, slow_from: int) -> None:
    advance = Writer.advance

    def disturbed(self, step):
        advance(self, step)
        if step == at:
            os.kill(os.getpid(), getattr(signal, name))
        if step >= slow_from:
            time.sleep(1)

    Writer.advance = disturbed


def write_confusion(path: pathlib.Path) -> None:
    """Appends the counts of an evaluation as one line."""
    usual = evaluator.make_evaluator

    def make_evaluator(*args, **kwargs):
        evaluate = usual(*args, **kwargs)

        def written(*args, **kwargs):
            totals = evaluate(*args, **kwargs)
            lists = {name: total.tolist() for name, total in totals.items()}
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(lists) + "\n")
            return totals

        return written

    evaluator.make_evaluator = make_evaluator


if __name__ == "__main__":
    name, _, at = os.environ.get("SIGNAL_AT", ":0").partition(":")
    disturb(name, int(at), int(os.environ.get("SLOW_FROM", "1000")))
    if "CONFUSION" in os.environ:
        write_confusion(pathlib.Path(os.environ["CONFUSION"]))
    main.run()
