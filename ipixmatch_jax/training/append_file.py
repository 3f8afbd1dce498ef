"""Files that grow by whole pieces, and wait where a disk is full."""

import logging
import os
import pathlib

_LOGGER = logging.getLogger(__name__)


class Appended:
    """One growing file; nobody else may write into it.

    A piece that the disk refuses is kept in memory and comes with the next,
    so that a full disk neither ends a run nor leaves half a piece behind. The
    first refusal of a row is told in a warning.
    """

    def __init__(self, path: pathlib.Path):
        """Takes the file's path; the file need not be there."""
        self._path = path
        self._size = path.stat().st_size if path.exists() else 0
        self._pending = b""
        self._warned = False

    def add(self, piece: bytes) -> None:
        """Appends a piece, and those before it that have waited."""
        self._pending += piece
        try:
            with self._path.open("ab") as file:
                file.write(self._pending)
        except OSError as error:
            if self._path.exists():
                os.truncate(self._path, self._size)
            if not self._warned:
                _LOGGER.warning(
                    "NOT WRITTEN: %s (%s). The run goes on and tries again.",
                    self._path,
                    error.strerror,
                )
            self._warned = True
            return
        self._size += len(self._pending)
        self._pending, self._warned = b"", False
