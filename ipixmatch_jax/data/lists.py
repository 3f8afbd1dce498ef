"""Split lists: `image mask` per line, relative to the data set's root."""

import os
import pathlib

Entry = tuple[str, str | None]

HOW_TO_GET = (
    "fetch the published lists with `python -m ipixmatch_jax.data.splits "
    "download` or draw some with `python -m ipixmatch_jax.data.splits make "
    "--root DIR --labelled 1/8 --out DIR`"
)


def read_list(path: str | os.PathLike) -> list[Entry]:
    """Reads (image, mask) pairs; mask is None where absent or `None`.

    Raises:
      FileNotFoundError: no such list; says how to get one.
      ValueError: a line has more than two columns, a path leaves the root,
        or the list is empty.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No list at {path}: {HOW_TO_GET}.")
    lines = path.read_text(encoding="utf-8").splitlines()
    entries = [
        _entry(line, f"{path}, line {number}")
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    if not entries:
        raise ValueError(f"The list {path} names no images.")
    return entries


def _entry(line: str, where: str) -> Entry:
    columns = line.split()
    if len(columns) > 2:
        raise ValueError(
            f"{where}: expected `image mask`, got {len(columns)} columns."
        )
    for column in columns:
        if column.startswith("/") or ".." in column.split("/"):
            raise ValueError(f"{where}: {column} leads out of the root.")
    mask = columns[1] if len(columns) == 2 else None
    return columns[0], None if mask == "None" else mask
