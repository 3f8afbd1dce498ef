"""SHA-256 of the files of a folder, kept inside of it.

Each file is read once more when it is written and once more before it is
used; in pieces, so that no file has to fit into memory, and four at a time.
"""

import hashlib
import json
import pathlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from ipixmatch_jax.utils import atomic

FILE = "checksums.json"
_AT_A_TIME = 4


def write(folder: pathlib.Path, but: Iterable[str] = ()) -> None:
    """Notes every file in a folder, in checksums.json: {path: SHA-256}.

    Args:
      folder: nobody writes into it meanwhile.
      but: paths inside of it that are left out.
    """
    names = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
    }
    _write(folder, _sums(folder, sorted(names - {FILE, *but})))


def add(folder: pathlib.Path, names: Iterable[str]) -> None:
    """Notes some more files, by their paths inside of the folder."""
    known = json.loads((folder / FILE).read_text(encoding="utf-8"))
    _write(folder, known | _sums(folder, list(names)))


def fault(folder: pathlib.Path, under: str = "") -> str | None:
    """What is wrong with the first file that is not as it was noted.

    Args:
      folder: one that `write` was called for.
      under: look at the files in this folder of it alone.

    Returns:
      words that name the file; None if all are as they were.

    Raises:
      PermissionError: a file may not be read.
    """
    try:
        known = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except ValueError:
        return f"{FILE} is not JSON"
    if not isinstance(known, dict):
        return f"{FILE} is no list of files"
    names = [name for name in known if name.startswith(under)]
    for name in names:
        if not (folder / name).is_file():
            return f"{name} is missing"
    try:
        now = _sums(folder, names)
    except PermissionError:
        raise
    except OSError as error:  # of the medium
        return str(error)
    for name in names:
        if now[name] != known[name]:
            if (folder / name).stat().st_size == 0:
                return f"{name} is empty"
            return f"{name} differs from its checksum"
    return None


def _sums(folder: pathlib.Path, names: list[str]) -> dict[str, str]:
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        sums = pool.map(lambda name: _sum(folder / name), names)
        return dict(zip(names, sums, strict=True))


def _sum(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(folder: pathlib.Path, sums: dict[str, str]) -> None:
    with atomic.replacing(folder / FILE) as partial:
        text = json.dumps(sums, indent=1) + "\n"
        partial.write_text(text, encoding="utf-8")
