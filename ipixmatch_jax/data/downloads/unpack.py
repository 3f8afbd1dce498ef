"""Unpacks archives as they were downloaded; goes on where it was stopped."""

import contextlib
import functools
import lzma
import pathlib
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator
from typing import IO, NamedTuple, cast

from tqdm import tqdm

from ipixmatch_jax.utils.atomic import replace_file

# What zipfile and tarfile raise; RuntimeError for a password.
_DAMAGE = (
    EOFError,
    RuntimeError,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


class _Member(NamedTuple):
    """One file of an archive: its path, its bytes, and how it is opened."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


def unpack(
    archive: pathlib.Path, folder: pathlib.Path, parts: tuple[str, ...]
) -> None:
    """Writes the files of an archive whose path holds one of `parts`.

    A file that is there in its full size is kept. Each file is written under
    another name first, so that none is ever there in part.

    Args:
      archive: a zip, or a tar with or without compression.
      folder: what the paths in the archive are relative to.
      parts: such as "/JPEGImages/".

    Raises:
      ValueError: the archive is damaged, or a path in it leads out of the
        folder.
    """
    try:
        _unpack(archive, folder, parts)
    except _DAMAGE as error:
        raise ValueError(
            f"{archive} is damaged, cut off or not such an archive ({error}): "
            "download it again."
        ) from error


def _unpack(
    archive: pathlib.Path, folder: pathlib.Path, parts: tuple[str, ...]
) -> None:
    zipped = archive.suffix == ".zip"
    members = _zip_members(archive) if zipped else _tar_members(archive)
    with (
        contextlib.closing(members),
        tqdm(unit="file", desc=f"unpacking {archive.name}") as bar,
    ):
        for member in members:
            if "__MACOSX" in member.name:  # macOS puts copies there.
                continue
            if any(part in member.name for part in parts):
                _write(member, folder, archive)
                bar.update()


def _zip_members(archive: pathlib.Path) -> Generator[_Member, None, None]:
    with zipfile.ZipFile(archive) as zipped:
        for info in zipped.infolist():
            if not info.is_dir():
                opened = functools.partial(zipped.open, info)
                yield _Member(info.filename, info.file_size, opened)


def _tar_members(archive: pathlib.Path) -> Generator[_Member, None, None]:
    with tarfile.open(archive) as tar:
        for info in tar:
            if info.isfile():  # So that it can be opened.
                opened = functools.partial(tar.extractfile, info)
                yield _Member(
                    info.name, info.size, cast(Callable[[], IO[bytes]], opened)
                )


def _write(
    member: _Member, folder: pathlib.Path, archive: pathlib.Path
) -> None:
    path = pathlib.PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{archive}: {member.name} leads out of {folder}.")
    target = folder / path
    if target.is_file() and target.stat().st_size == member.size:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        replace_file(target, flush=False) as partial,
        member.open() as source,
        partial.open("wb") as file,
    ):
        shutil.copyfileobj(source, file)
