"""SHA-256 checksums of a folder's files, written inside the folder.

Each file is read once more after it is written and once more before it is
used: in pieces, so that no file has to fit into memory, and four at a time.
"""

import hashlib
import pathlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from ipixmatch_jax.utils.atomic import write_json
from ipixmatch_jax.utils.json_files import read_json, read_json_object
from ipixmatch_jax.utils.threads import READERS

FILE = "checksums.json"


def write_checksums(
    folder: pathlib.Path, leave_out: Iterable[str] = ()
) -> None:
    """Writes checksums.json for every file in a folder: {path: SHA-256}.

    Args:
      folder: nobody writes into it meanwhile.
      leave_out: paths inside the folder that are not listed.
    """
    names = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
    }
    listed = sorted(names - {FILE, *leave_out})
    write_json(folder / FILE, _compute(folder, listed))


def add_checksums(folder: pathlib.Path, names: Iterable[str]) -> None:
    """Adds files to checksums.json, by their paths inside the folder."""
    known = read_json_object(folder / FILE, "put back a copy")
    write_json(folder / FILE, known | _compute(folder, list(names)))


def find_fault(folder: pathlib.Path, inside: str = "") -> str | None:
    """Compares the files of a folder with its checksums.json.

    Args:
      folder: one that `write_checksums` was called for.
      inside: compare only the files in this sub-folder.

    Returns:
      words on the first file that differs; None if all are equal.

    Raises:
      PermissionError: a file may not be read.
    """
    try:
        known = read_json(folder / FILE, "put back a copy")
    except PermissionError:
        raise
    except (OSError, ValueError):
        return f"{FILE} is not JSON"
    if not isinstance(known, dict) or not known:
        return f"{FILE} does not list the files"
    names = [name for name in known if name.startswith(inside)]
    for name in names:
        if not (folder / name).is_file():
            return f"{name} is missing"
    try:
        now = _compute(folder, names)
    except PermissionError:
        raise
    except OSError as error:  # The disk cannot read it.
        return str(error)
    for name in names:
        if now[name] != known[name]:
            if (folder / name).stat().st_size == 0:
                return f"{name} is empty"
            return f"{name} differs from its checksum"
    return None


def _compute(folder: pathlib.Path, names: list[str]) -> dict[str, str]:
    with ThreadPoolExecutor(READERS) as pool:
        sums = pool.map(lambda name: _hash_file(folder / name), names)
        return dict(zip(names, sums, strict=True))


def _hash_file(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
