"""The line at the foot of a terminal: how far a run is, and what it does."""

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Iterator

from tqdm import tqdm

_SECOND = 1.0
# Without the estimate that tqdm makes of the time left: the pace has one.
_FORMAT = "{n_fmt}/{total_fmt} |{bar:16}| {desc}"


class ProgressBar:
    """A bar with a few words beside it; nothing is shown in a log file."""

    def __init__(self, start: int, steps: int):
        self.shown = sys.stderr.isatty()
        self._words = ""
        self._bar = tqdm(
            total=steps,
            initial=start,
            bar_format=_FORMAT,
            # A terminal in a container may say that it has no rows, which
            # would hide the bar; one of no columns counts as 80.
            ncols=shutil.get_terminal_size().columns - 1,
            nrows=20,
            mininterval=0.2,
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
        """Shows what is being done and for how long, with every second."""
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
            over.wait(_SECOND)

    @contextlib.contextmanager
    def above(self) -> Iterator[None]:
        """What is printed to stdout in a `with` block goes above the bar."""
        with self._bar.external_write_mode(file=sys.stdout):
            yield

    def close(self) -> None:
        """Leaves the line as it is."""
        self._bar.close()
