"""Appends to a file, and keeps what a full disk refuses for later."""

import logging
import os
import pathlib

_LOGGER = logging.getLogger(__name__)


class AppendFile:
    """A file that grows; nothing else may write into it.

    A piece that the disk refuses is kept in memory and written with the next,
    so that a full disk neither ends a run nor leaves half a piece behind. A
    warning reports the first of several refusals in a row.
    """

    def __init__(self, path: pathlib.Path):
        """Takes the file's path; the file need not exist."""
        self._path = path
        self._size = path.stat().st_size if path.exists() else 0
        self._pending = b""
        self._warned = False

    def add(self, piece: bytes) -> None:
        """Appends a piece, after those that the disk has refused so far."""
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
