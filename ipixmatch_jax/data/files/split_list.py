"""Split lists: `image mask` per line, relative to the data set's root.

A comma between the columns (names may then hold spaces), backslashes in paths,
`./` before them and lines that begin with # are taken as they are meant.
"""

import os
import pathlib
import posixpath
import unicodedata
from collections.abc import Sequence

from ipixmatch_jax.cli.commands import call_of
from ipixmatch_jax.utils.atomic import write_file
from ipixmatch_jax.utils.file_names import printable

Entry = tuple[str, str | None]


def how_to_get() -> str:
    """How to come by lists, as part of a sentence."""
    splits = call_of("splits")
    return (
        f"fetch the published lists with `{splits} download`, draw some with "
        f"`{splits} make --root DIR --labelled 1/8 --out DIR`, or add the "
        f"unlabelled lists to labelled ones with `{splits} complete --root DIR "
        "--out DIR`"
    )


def read_list(path: str | os.PathLike) -> list[Entry]:
    """Reads (image, mask) pairs; mask is None where absent or `None`.

    Raises:
      FileNotFoundError: no such list; says how to get one.
      ValueError: the list is not readable as text, a line has more than two
        columns, a path leaves the root or is malformed, or the list is empty;
        names the list and the first such line.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No list at {path}: {how_to_get()}.")
    entries = [
        _entry(line, f"{path}, line {number}")
        for number, line in enumerate(_text(path).splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not entries:
        raise ValueError(f"The list {path} names no images.")
    return entries


def read_lines(path: pathlib.Path) -> list[str]:
    """The lines of a text file that are not blank.

    Raises:
      ValueError: the file is not text in UTF-8, or cannot be read.
    """
    return [line for line in _text(path).splitlines() if line.strip()]


def write_list(path: pathlib.Path, entries: Sequence[Entry]) -> None:
    """Writes a list that `read_list` reads, making its folders.

    Raises:
      ValueError: a name is not UTF-8.
    """
    lines = [f"{image} {mask}\n" for image, mask in entries]
    odd = [line for line in lines if printable(line) != line]
    if odd:
        raise ValueError(
            f"{path} is a list in UTF-8 and cannot name "
            f"{printable(odd[0]).strip()}: rename the {len(odd)} files whose "
            "names are not UTF-8."
        )
    write_file(path, "".join(lines).encode())


def _text(path: pathlib.Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # With a mark or without.
    except UnicodeDecodeError as error:
        raise ValueError(
            f"The list {path} is not text in UTF-8: see its byte {error.start}."
        ) from error
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(
            f"The list {path} cannot be read: {error.strerror}."
        ) from error


def _entry(line: str, where: str) -> Entry:
    columns = _columns(line)
    if len(columns) > 2:
        raise ValueError(
            f"{where}: expected `image mask`, got {len(columns)} columns; "
            "where names hold spaces, put a comma between the two."
        )
    paths = [_path(column, where) for column in columns]
    mask = paths[1] if len(paths) == 2 else None
    return paths[0], None if mask == "None" else mask


def _columns(line: str) -> list[str]:
    """The columns between spaces, or on both sides of a comma."""
    columns = line.split()
    spaced = len(columns) == 2 and "," not in (columns[0][-1], columns[1][0])
    if line.count(",") != 1 or spaced:
        return columns
    before, after = (part.strip() for part in line.split(","))
    return [before, after] if before and after else columns


def _path(column: str, where: str) -> str:
    if any(unicodedata.category(letter) == "Cc" for letter in column):
        raise ValueError(f"{where}: {column!r} is not a path.")
    column = column.replace("\\", "/")
    if column.startswith("/") or ".." in column.split("/"):
        raise ValueError(f"{where}: {column} leads out of the root.")
    return posixpath.normpath(column)
