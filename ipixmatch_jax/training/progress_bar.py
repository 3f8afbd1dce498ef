"""The line at the foot of a terminal: how far a run is, and what it does."""

import contextlib
import logging
import shutil
import sys
import threading
import time
from collections.abc import Iterator

from tqdm import tqdm

_SECONDS = 1.0  # from one time to the next on a clock
_SECONDS_ELSEWHERE = 15.0  # where what was drawn before may stay
# Without the estimate that tqdm makes of the time left: the pace has one.
_FORMAT = "{n_fmt}/{total_fmt} |{bar:16}| {desc}"


class ProgressBar:
    """A bar with a few words beside it.

    In a log file there is none, since the lines of the log say the same. Where
    Python code trains and shows no log, as in a notebook, the bar is all there
    is.

    Attributes:
      shown: whether there is a bar.
    """

    def __init__(self, start: int, steps: int):
        terminal = sys.stderr.isatty()
        logged = logging.getLogger("ipixmatch_jax").hasHandlers()
        self.shown = terminal or not logged
        self._seconds = _SECONDS if terminal else _SECONDS_ELSEWHERE
        self._words = ""
        self._bar = tqdm(
            total=steps,
            initial=start,
            bar_format=_FORMAT,
            # A terminal in a container may say that it has no rows, which
            # would hide the bar; one of no columns counts as 80.
            ncols=shutil.get_terminal_size().columns - 1,
            nrows=20,
            mininterval=0.2 if terminal else _SECONDS_ELSEWHERE,
            disable=not self.shown,
        )

    def advance(self, step: int) -> None:
        """Moves the bar to `step` steps done."""
        self._bar.update(step - self._bar.n)

    def say(self, words: str) -> None:
        """Shows words beside the bar from now on."""
        self._words = words
        self._bar.set_description_str(words)

    @contextlib.contextmanager
    def clock(self, what: str) -> Iterator[None]:
        """Shows what is being done, and for how long already."""
        if not self.shown:
            yield
            return
        over = threading.Event()
        ticking = threading.Thread(
            target=self._tick, args=(what, over), daemon=True
        )
        ticking.start()
        try:
            yield
        finally:
            over.set()
            ticking.join()
            self._bar.set_description_str(self._words)

    def _tick(self, what: str, over: threading.Event) -> None:
        began = time.monotonic()
        while not over.is_set():
            minutes, seconds = divmod(int(time.monotonic() - began), 60)
            self._bar.set_description_str(f"{what} {minutes}:{seconds:02d}")
            over.wait(self._seconds)

    @contextlib.contextmanager
    def above(self) -> Iterator[None]:
        """What is printed to stdout in a `with` block goes above the bar."""
        with self._bar.external_write_mode(file=sys.stdout):
            yield

    def close(self) -> None:
        """Leaves the line as it is."""
        self._bar.close()
