"""Files that a reader finds as they were or as they shall be, whole."""

import contextlib
import os
import pathlib
from collections.abc import Iterator


@contextlib.contextmanager
def replacing(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a file beside `path` to write, which then takes its place.

    Where the body fails, `path` stays as it was.
    """
    partial = path.with_name(path.name + ".partial")
    yield partial
    os.replace(partial, path)
