"""Shows and records a run: a bar, log lines, metrics.jsonl, TensorBoard."""

import contextlib
import json
import logging
import pathlib
import sys
import time

import numpy as np
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ipixmatch_jax.training.append_file import AppendFile
from ipixmatch_jax.training.tensorboard import Curves

_LOGGER = logging.getLogger(__name__)


class Writer:
    """Shows and records the progress of one run, on the first process alone.

    `metrics.jsonl` gets one JSON object per line, with its "step" (steps
    done) and what was measured; TensorBoard gets the scalars and the
    pictures. A resumed run appends: of two lines with the same step the later
    one counts. What a full disk refuses is written later, see append_file.py.
    """

    def __init__(
        self,
        workdir: pathlib.Path,
        *,
        start: int,
        steps: int,
        images_per_step: int,
        active: bool,
    ):
        self._active = active
        self._close = contextlib.ExitStack()
        self._steps = steps
        self._images_per_step = images_per_step
        self._since = (time.monotonic(), start)
        if not active:
            return
        terminal = sys.stderr.isatty()
        self._bar = tqdm(
            total=steps,
            initial=start,
            unit="step",
            dynamic_ncols=terminal,
            # In a log file ten lines a second would be too many.
            mininterval=0.2 if terminal else 15.0,
        )
        path = workdir / "metrics.jsonl"
        _cut_torn_line(path)
        self._lines = AppendFile(path)
        self._curves = Curves(workdir / "tensorboard")
        self._close.callback(self._bar.close)
        # Log lines are written above the bar.
        ours = [logging.getLogger("ipixmatch_jax")]
        self._close.enter_context(logging_redirect_tqdm(ours))

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *exception) -> None:
        self._close.close()

    def advance(self, step: int) -> None:
        """Moves the bar to `step` steps done."""
        if self._active:
            self._bar.update(step - self._bar.n)

    def restart_clock(self, step: int) -> None:
        """Leaves the time since the last line out of the speed."""
        self._since = (time.monotonic(), step)

    def write_training(self, step: int, metrics: dict) -> None:
        """Writes a line of training metrics, with the speed since the last."""
        then, since = self._since
        now = time.monotonic()
        rate = (step - since) / max(now - then, 1e-9)
        self._since = (now, step)
        metrics = {
            **metrics,
            "steps_per_second": rate,
            "images_per_second": rate * self._images_per_step,
        }
        self.write_scalars(step, metrics)
        if not self._active:
            return
        left = (self._steps - step) / max(rate, 1e-9)
        shown = {
            name: metrics[name]
            for name in ("loss_x", "loss_u", "loss_ip", "confident_share")
            if name in metrics
        }
        losses = " ".join(f"{name} {float(v):.4f}" for name, v in shown.items())
        _LOGGER.info(
            "step %d loss %.4f %s lr %.2e, %.2f steps/s, %.1f images/s, "
            "%d:%02d left",
            step,
            metrics["loss"],
            losses,
            metrics["learning_rate"],
            rate,
            metrics["images_per_second"],
            left // 60,
            left % 60,
        )
        self._bar.set_postfix_str(losses, refresh=False)

    def write_scalars(self, step: int, metrics: dict) -> None:
        """Appends to metrics.jsonl and to TensorBoard."""
        if not self._active:
            return
        values = {name: np.asarray(v).tolist() for name, v in metrics.items()}
        line = json.dumps({"step": step, **values}) + "\n"
        self._lines.add(line.encode())
        curves = {k: v for k, v in values.items() if not isinstance(v, list)}
        self._curves.write_scalars(step, curves)

    def write_picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """Writes a uint8 [H, W, 3] picture for TensorBoard."""
        if self._active:
            self._curves.write_picture(step, name, picture)

    def print_message(self, text: str) -> None:
        """Prints a line above the bar."""
        if self._active:
            with self._bar.external_write_mode(file=sys.stdout):
                print(text, flush=True)


def _cut_torn_line(path: pathlib.Path) -> None:
    """Removes a last line that a killed run did not finish."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        file.truncate(file.read().rfind(b"\n") + 1)
