"""Which files are the same image, under whatever names they lie."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Sequence

_TASTE = 65_536  # Bytes at either end that are compared first.


def find_copies(paths: Sequence[str]) -> list[list[int]]:
    """Groups of positions whose files are the same, in order.

    Links and other spellings of a path lead to the same file; copies have
    the same size and the same SHA-256. Files that cannot be read are in no
    group.
    """
    by_size: dict[int, list[int]] = defaultdict(list)
    files: dict[int, tuple[int, int]] = {}
    for i, path in enumerate(paths):
        try:
            status = os.stat(path)
        except OSError:
            continue
        files[i] = (status.st_dev, status.st_ino)
        by_size[status.st_size].append(i)
    groups = []
    for alike in by_size.values():
        if len(alike) > 1:
            groups += _same(paths, files, alike)
    return sorted(groups)


def _same(
    paths: Sequence[str], files: dict[int, tuple[int, int]], alike: list[int]
) -> list[list[int]]:
    """Groups among files of one size."""
    by_file: dict[tuple[int, int], list[int]] = defaultdict(list)
    for i in alike:
        by_file[files[i]].append(i)
    groups = []
    # Both ends first: whole files are read only where these agree.
    for likely in _partition(paths, list(by_file.values()), _ends):
        for same in _partition(paths, likely, _whole):
            joined = sorted(i for group in same for i in group)
            if len(joined) > 1:
                groups.append(joined)
    return groups


def _partition(
    paths: Sequence[str],
    groups: list[list[int]],
    digest: Callable[[str], object],
) -> list[list[list[int]]]:
    """Groups together whose files have the same digest."""
    if len(groups) == 1:
        return [groups]
    alike: dict[object, list[list[int]]] = defaultdict(list)
    for group in groups:
        alike[digest(paths[group[0]])].append(group)
    return list(alike.values())


def _ends(path: str) -> object:
    try:
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read(_TASTE))
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TASTE))
            digest.update(file.read(_TASTE))
            return digest.digest()
    except OSError:
        return object()  # equal to nothing else


def _whole(path: str) -> object:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return object()
