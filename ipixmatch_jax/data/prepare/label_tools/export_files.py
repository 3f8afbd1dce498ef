"""The files of an export: a folder, or what was downloaded as it is."""

import json
import os
import pathlib
import struct
import zipfile
import zlib
from typing import Any

from ipixmatch_jax.data.files import open_file, walk
from ipixmatch_jax.utils.quoting import shorten

# What zipfile raises for damaged files: RuntimeError for a password, OSError
# for a place before the file's beginning, ValueError for a name.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, struct.error, ValueError),
    *(RuntimeError, NotImplementedError, OSError, OverflowError),
)


# Files that are an export by themselves.
_ALONE = (".json", ".xml")


class ExportFiles:
    """The files of a folder or of a zip, by their paths with slashes.

    Hidden files, and folders that systems and other programs leave
    (files/walk.py), are not among them. A JSON or XML file stands for itself.

    Args:
      source: the folder, the zip or the file.

    Attributes:
      source: as given.
      names: the paths of the files, sorted.
      is_alone: whether `source` is a JSON or XML file.

    Raises:
      FileNotFoundError: there is nothing at `source`.
      ValueError: it is none of these.
    """

    def __init__(self, source: pathlib.Path):
        self.source = source
        self.is_alone = False
        self._folder = source
        self._zip: zipfile.ZipFile | None = None
        if source.is_dir():
            names = list(_walk(source))
        elif source.is_file() and walk.ending(source.name) in _ALONE:
            self._folder, names = source.parent, [source.name]
            self.is_alone = True
        elif source.is_file():
            names = self._open_zip()
        else:
            raise FileNotFoundError(
                f"There is nothing at {source}: name the folder, the zip or "
                "the file that the label tool exported."
            )
        self.names = tuple(sorted(n for n in names if _is_visible(n)))

    def _open_zip(self) -> list[str]:
        try:
            self._zip = zipfile.ZipFile(self.source)
        except _DAMAGE as error:
            if walk.ending(self.source.name) == ".zip":
                raise ValueError(
                    f"{self.source} is not a whole zip ({shorten(error)}): "
                    "download or export it again."
                ) from error
            raise ValueError(
                f"{self.source} is neither a folder, a zip nor a JSON or XML "
                f"file ({shorten(error)}): name what the label tool exported."
            ) from error
        return [i.filename for i in self._zip.infolist() if not i.is_dir()]

    def where(self, name: str) -> str:
        """A file's name for messages."""
        if self._zip is not None:
            return f"{self.source}: {name}"
        return str(self._folder / name)

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
          BadFileError: it cannot be read, or is too large.
          ValueError: the zip is damaged.
        """
        if self._zip is None:
            return open_file.read_bytes(str(self._folder / name))
        info = self._zip.getinfo(name)
        if info.file_size > open_file.MAX_BYTES:
            raise ValueError(
                f"{self.where(name)} holds {info.file_size} bytes; the limit "
                f"is {open_file.MAX_BYTES}."
            )
        try:
            return self._zip.read(info)
        except _DAMAGE as error:
            raise ValueError(
                f"{self.where(name)} cannot be unpacked ({shorten(error)}): "
                "export it again, without a password."
            ) from error

    def read_text(self, name: str) -> str:
        """The content of a text file.

        Raises:
          ValueError: it is not UTF-8.
        """
        try:
            return self.read(name).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{self.where(name)} is not text in UTF-8: export it again."
            ) from error

    def read_json(self, name: str) -> Any:
        """The value of a JSON file.

        Raises:
          ValueError: it is not JSON.
        """
        text = self.read_text(name)
        try:
            return json.loads(text)
        # ValueError also of a number with thousands of digits.
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"{self.where(name)} is not whole ({shorten(error)}): export "
                "it again."
            ) from error

    def with_ending(self, *endings: str) -> list[str]:
        """The files that end so, in lower case, such as ".json"."""
        return [n for n in self.names if walk.ending(n) in endings]


def _walk(root: pathlib.Path) -> list[str]:
    """The files below a folder; each linked folder is entered once."""
    entered, found = set(), []
    walked = os.walk(root, onerror=_refuse, followlinks=True)
    for folder, folders, files in walked:
        real = os.path.realpath(folder)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        below = pathlib.Path(folder).relative_to(root)
        found += [(below / name).as_posix() for name in files]
    return found


def _refuse(error: OSError) -> None:
    raise ValueError(
        f"The folder {error.filename} cannot be read: {error.strerror}."
    ) from error


def _is_visible(name: str) -> bool:
    *folders, base = name.split("/")
    tools = any(walk.is_tool_folder(folder) for folder in folders if folder)
    return not tools and not base.startswith(".")
