"""Files that a reader finds as they were or as they shall be, whole."""

import contextlib
import os
import pathlib
from collections.abc import Iterator


@contextlib.contextmanager
def replacing(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a file beside `path` to write, which then takes its place.

    Where the body fails, `path` stays as it was and that file is removed.
    What is written is on the disk itself before it takes the place, so that
    not even a host that stops leaves half of it.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
