"""Files that are replaced whole: a reader sees the old file or the new one."""

import contextlib
import json
import os
import pathlib
import shutil
import tempfile
import uuid
from collections.abc import Iterator


@contextlib.contextmanager
def replace_file(
    path: pathlib.Path, *, flush: bool = True
) -> Iterator[pathlib.Path]:
    """Yields the path of a new file, which replaces `path` at the end.

    Where the body fails, `path` stays as it was and the new file is removed.
    The new file lies beside `path`, under a name of its own, so that several
    processes may replace one file. It is on the disk before it takes the
    place, so that a host that stops leaves the old file or the new one.

    Args:
      path: the file to replace or to make; its folder exists.
      flush: whether the new file is on the disk before it takes the place;
        a host that stops then leaves the old file or the new one, never an
        empty one. It costs milliseconds a file.
    """
    # Not made from the name of `path`, which may be as long as names can be.
    partial = path.with_name(f".{uuid.uuid4().hex}.partial")
    try:
        yield partial
        if flush:
            with partial.open("rb") as file:
                os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def make_folder(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a new folder, which gets the name `path` at the end.

    Where the body fails, the new folder is removed with all that it holds, and
    `path` is as it was. The new folder lies beside `path`; a process that is
    killed leaves it there, under a hidden name that ends in ".partial".

    Args:
      path: the folder to make; it does not exist, or is empty.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.absolute().with_name(f".{uuid.uuid4().hex}.partial")
    partial.mkdir()
    try:
        yield partial
        if path.is_dir():
            path.rmdir()  # So that a folder that is not empty any more stays.
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def require_writable(path: pathlib.Path, option: str) -> None:
    """Refuses a place where a file cannot be written, before long work.

    Args:
      path: of a file or folder to make or to replace.
      option: that names another place, for the message, such as "--out".

    Raises:
      NotADirectoryError: a folder of the path is a file.
      PermissionError: this user may not write there, or nobody may.
    """
    folder = path.absolute().parent if path.is_file() else path.absolute()
    while not folder.is_dir():
        _refuse_file(folder, option)
        folder = folder.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(
            f"{path} cannot be written: this user may not write into "
            f"{folder}; name another place with {option}."
        )
    if path.exists():
        return
    try:  # Some file systems, such as /proc, refuse what the rights allow.
        with tempfile.TemporaryDirectory(dir=folder):
            pass
    except OSError as error:
        raise PermissionError(
            f"{path} cannot be made: {folder} takes no new folders "
            f"({error.strerror}); name another place with {option}."
        ) from error


def require_folder(path: pathlib.Path, option: str) -> None:
    """`require_writable` for a folder to make or to write into.

    Raises:
      NotADirectoryError: the path, or a folder of it, is a file.
      PermissionError: see `require_writable`.
    """
    _refuse_file(path, option)
    require_writable(path, option)


def _refuse_file(path: pathlib.Path, option: str) -> None:
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(
            f"{path} is a file, not a folder; name another place with {option}."
        )


def write_file(path: pathlib.Path, content: bytes) -> None:
    """Replaces a file by bytes, making its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as partial:
        partial.write_bytes(content)


def write_json(path: pathlib.Path, value) -> None:
    """Replaces a file by JSON; its folder exists."""
    with replace_file(path) as partial:
        text = json.dumps(value, indent=1) + "\n"
        partial.write_text(text, encoding="utf-8")
