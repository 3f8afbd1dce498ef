"""How far the prediction of one large image is, beside the bar of images."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

_SECONDS = 0.5  # between two updates in a terminal
_SECONDS_IN_A_LOG = 30.0

Result = TypeVar("Result")


class SceneProgress:
    """Writes the windows that are done at the end of a bar.

    The bar is written again every half second, or every 30 seconds where its
    output is not a terminal.
    """

    def __init__(self, bar: tqdm, name: str, windows: int):
        """Writes that none is done.

        Args:
          bar: of the images.
          name: of the image.
          windows: of the image.
        """
        self._bar = bar
        self._name = name
        self._windows = windows
        self._done = 0
        terminal = sys.stderr.isatty()
        self._seconds = _SECONDS if terminal else _SECONDS_IN_A_LOG
        self._write()

    def count(self, results: Iterable[Result]) -> Iterator[Result]:
        """The results of windows, each of which is counted."""
        for result in results:
            self._done += 1
            if time.monotonic() - self._written >= self._seconds:
                self._write()
            yield result

    def clear(self) -> None:
        """Takes the numbers off the bar, which its next update shows."""
        self._bar.set_postfix_str("", refresh=False)

    def _write(self) -> None:
        self._written = time.monotonic()
        self._bar.set_postfix_str(
            f"{self._name}: {self._done:,} of {self._windows:,} windows"
        )
