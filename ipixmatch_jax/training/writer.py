"""Shows and records a run: a bar, log lines, metrics.jsonl, loggers."""

import contextlib
import json
import logging
import pathlib
import time
from collections.abc import Iterator, Sequence

import numpy as np
from tqdm.contrib.logging import logging_redirect_tqdm

from ipixmatch_jax.loggers.base import Logger
from ipixmatch_jax.training.pace import Pace
from ipixmatch_jax.training.progress_bar import ProgressBar
from ipixmatch_jax.utils.append_file import AppendFile
from ipixmatch_jax.utils.durations import format_duration
from ipixmatch_jax.utils.loss_names import loss_name

_LOGGER = logging.getLogger(__name__)
_SHOWN = ("loss_x", "loss_u", "loss_ip")
# What a run costs is said after so many steps, or after fewer in so many
# seconds.
_FIRST_STEPS, _FEWER, _FIRST_SECONDS = 20, 3, 20.0


class Writer:
    """Shows and records the progress of one run, on the first process alone.

    `metrics.jsonl` gets one JSON object per line, with its "step" (steps
    done) and what was measured; the loggers get the scalars and the pictures,
    and are closed with the writer. A resumed run appends: of two lines with
    the same step the later one counts. What a full disk refuses is written
    later, see utils/append_file.py.
    """

    def __init__(
        self,
        workdir: pathlib.Path,
        *,
        start: int,
        steps: int,
        images_per_step: int,
        active: bool,
        eval_every: int = 0,
        loggers: Sequence[Logger] = (),
    ):
        self._active = active
        self._close = contextlib.ExitStack()
        self._first = start
        self._images_per_step = images_per_step
        self._pace = Pace(start, steps, eval_every)
        self._cost_said = False
        if not active:
            return
        self._bar = ProgressBar(start, steps)
        path = workdir / "metrics.jsonl"
        _cut_torn_line(path)
        self._lines = AppendFile(path)
        self._loggers = loggers
        for logger in loggers:
            self._close.push(_closing(logger))
        self._close.callback(self._bar.close)
        # Log lines are written above the bar.
        ours = [logging.getLogger("ipixmatch_jax")]
        self._close.enter_context(logging_redirect_tqdm(ours))

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *exception) -> None:
        self._close.__exit__(*exception)

    def advance(self, step: int) -> None:
        """Moves the bar to `step` steps done."""
        if not self._active:
            return
        self._bar.advance(step)
        done = step - self._first
        slow = done >= _FEWER and self._pace.elapsed() > _FIRST_SECONDS
        if not self._cost_said and (done >= _FIRST_STEPS or slow):
            self._say_cost(step)

    @contextlib.contextmanager
    def compiling(self, step: int) -> Iterator[None]:
        """Shows that the step is compiled, and for how long; `step` is done.

        The speed is measured from then on.
        """
        began = time.monotonic()
        with self.doing("Compiling the training step"):
            yield
        self._pace.restart(step)
        if self._active:
            took = format_duration(time.monotonic() - began)
            _LOGGER.info("The training step was compiled in %s.", took)

    @contextlib.contextmanager
    def scoring(self) -> Iterator[None]:
        """Shows that val is scored; the speed of training leaves that out."""
        with self._pace.evaluation(), self.doing("Scoring val"):
            yield

    @contextlib.contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Shows what is being done in a `with` block, and for how long."""
        if not self._active:
            yield
            return
        if not self._bar.shown:
            _LOGGER.info("%s ...", what)
        with self._bar.clock(what):
            yield

    def _say_cost(self, step: int) -> None:
        """What the run costs, once the first steps have shown their speed."""
        self._cost_said = True
        self._bar.say(self._speed(step))
        _LOGGER.info(
            "The steps will take about %s at %.3g steps/s; evaluations come on "
            "top.",
            format_duration(self._pace.seconds_left(step)),
            self._pace.steps_per_second(step),
        )

    def _speed(self, step: int) -> str:
        """The speed and the time left, in words."""
        rate = self._pace.steps_per_second(step)
        left = format_duration(self._pace.seconds_left(step))
        return f"{rate:.3g} steps/s, {left} left"

    def write_training(self, step: int, metrics: dict) -> None:
        """Writes a line of training metrics, with the speed since the last."""
        rate = self._pace.mark(step)
        metrics = {
            **metrics,
            "steps_per_second": rate,
            "images_per_second": rate * self._images_per_step,
        }
        self.write_scalars(step, metrics)
        if not self._active:
            return
        terms = ", ".join(
            f"{loss_name(name)} {float(metrics[name]):.4f}"
            for name in _SHOWN
            if name in metrics
        )
        if "confident_share" in metrics:
            terms += f", {float(metrics['confident_share']):.0%} confident"
        speed = self._speed(step)
        self._cost_said = True
        self._bar.say(speed)
        _LOGGER.info(
            "step %d: loss %.4f (%s), %s", step, metrics["loss"], terms, speed
        )

    def write_scalars(self, step: int, metrics: dict) -> None:
        """Appends to metrics.jsonl, and gives the scalars to the loggers."""
        if not self._active:
            return
        values = {name: np.asarray(v).tolist() for name, v in metrics.items()}
        line = json.dumps({"step": step, **values}) + "\n"
        self._lines.add(line.encode())
        curves = {k: v for k, v in values.items() if not isinstance(v, list)}
        for logger in self._loggers:
            logger.write_scalars(step, curves)

    def write_picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """Gives a uint8 [H, W, 3] picture to the loggers."""
        for logger in self._loggers if self._active else ():
            logger.write_picture(step, name, picture)

    def print_message(self, text: str) -> None:
        """Prints a line above the bar."""
        if self._active:
            with self._bar.above():
                print(text, flush=True)


def _closing(logger: Logger):
    """A function for an ExitStack, which closes a logger."""
    return lambda kind, *_: logger.close(failed=kind is not None)


def _cut_torn_line(path: pathlib.Path) -> None:
    """Removes a last line that a killed run did not finish."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        file.truncate(file.read().rfind(b"\n") + 1)
