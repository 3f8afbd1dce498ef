"""Files that a reader finds as they were or as they shall be, whole."""

import contextlib
import json
import os
import pathlib
from collections.abc import Iterator


@contextlib.contextmanager
def replacing(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a file beside `path` to write_file, which then takes its place.

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


def write_file(path: pathlib.Path, content: bytes) -> None:
    """Writes a file whole or not at all, making its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: pathlib.Path, value) -> None:
    """Writes JSON so that a reader finds the old file or the new, whole."""
    with replacing(path) as partial:
        text = json.dumps(value, indent=1) + "\n"
        partial.write_text(text, encoding="utf-8")
