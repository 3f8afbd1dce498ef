"""Standard streams that a command can lose while it works."""

import io
import os
import sys
from typing import Any, TextIO

from ipixmatch_jax.utils.file_names import printable


def open_missing_streams() -> None:
    """Opens /dev/null for each standard stream that was closed at the start.

    Otherwise the next file that is opened would take its number, and what
    the libraries print would go into that file.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # stderr is so from the start: no odd name ends a command.
        sys.stdout.reconfigure(errors="backslashreplace")


class LosableStream:
    """A text stream whose reader may go away; what is written then is lost.

    Readers go away as with `| head`, a `tee` that died and a terminal that
    was closed. A training goes on without them.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes text, or loses it; returns its length."""
        try:
            self._stream.write(printable(text))
        except OSError:
            self._lose()
        return len(text)

    def flush(self) -> None:
        """Flushes the stream, or loses what it held."""
        try:
            self._stream.flush()
        except OSError:
            self._lose()

    def _lose(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
