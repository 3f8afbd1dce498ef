"""Image files below a folder, without what tools and systems leave there."""

import os
import pathlib
from collections.abc import Collection
from typing import NamedTuple

ENDINGS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif"),
    *(".png", ".bmp", ".webp", ".tif", ".tiff"),
)
# Folders, in lower case, that programs make for themselves; beside these all
# whose names begin with a dot.
TOOL_FOLDERS = frozenset(
    {
        *("@eadir", "@recycle", "@recently-snapshot", "@tmp", "@sharebin"),
        *("#recycle", "#snapshot", "$recycle.bin", "lost+found"),
        *("system volume information", "network trash folder"),
        *("__macosx", "__pycache__", "temporary items"),
        *("thumb", "thumbs", "thumbnails", "_thumbs", "_thumbnails"),
        *("~snapshot", "__thumbs__", "picasaoriginals"),
        *("captureone", "zbthumbnail.info"),
    }
)
# Pictures in formats that are not read, with a word on each group.
_HEIF = "convert them to JPEG, for example with `magick mogrify -format jpg`"
_RAW = "develop them to TIFF or JPEG"
_ARRAY = "write them as PNG or TIFF"
UNREAD = {
    **dict.fromkeys((".heic", ".heif", ".hif", ".avif", ".jxl"), _HEIF),
    **dict.fromkeys((".jp2", ".j2k", ".gif", ".psd", ".tga", ".pcx"), _HEIF),
    **dict.fromkeys((".ppm", ".pgm", ".pnm", ".svg", ".exr", ".hdr"), _HEIF),
    **dict.fromkeys((".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf"), _RAW),
    **dict.fromkeys((".orf", ".rw2", ".pef", ".srw", ".raw"), _RAW),
    **dict.fromkeys((".npy", ".npz", ".mat", ".dcm", ".nii", ".gz"), _ARRAY),
    **dict.fromkeys((".nrrd", ".mha", ".ecw", ".img", ".h5"), _ARRAY),
}


class Walk(NamedTuple):
    """What lies below a folder; paths are relative to it, with slashes.

    Attributes:
      images: files that end in one of ENDINGS, or of those that were asked
        for; of each folder first its files, then its folders, both sorted.
      tools: folders of tools, which were not entered.
      unread: files that end in one of UNREAD.
      special: pipes, sockets and devices, which were not opened.
    """

    images: tuple[str, ...]
    tools: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    special: tuple[str, ...] = ()

    def notes(self, folder: str) -> list[str]:
        """Sentences on what was left aside; `folder` names it."""
        notes = []
        if self.tools:
            notes.append(
                f"Folders of other programs are left aside: "
                f"{_some(folder, self.tools)}."
            )
        if self.special:
            notes.append(
                f"{len(self.special)} pipes, sockets or devices are left "
                f"aside: {_some(folder, self.special)}."
            )
        if self.unread:
            notes.append(unread_words(folder, self.unread))
        return notes


def unread_words(folder: str, unread: Collection[str]) -> str:
    """The sentence on pictures in formats that are not read."""
    first = min(unread)
    way = UNREAD[ending(first)]
    count = len(unread)
    are = "file is" if count == 1 else "files are"
    return (
        f"{count} {are} left aside, since the format is not read: "
        f"{_some(folder, sorted(unread))}; {way}."
    )


def ending(name: str) -> str:
    """The ending of a file's name in lower case, such as ".jpg"."""
    return os.path.splitext(name)[1].lower()


def is_tool_folder(name: str) -> bool:
    """Whether a folder of this name belongs to some program."""
    name = name.lower()
    return (
        name.startswith(".")
        or name in TOOL_FOLDERS
        or (
            name.endswith(".lrdata")  # Lightroom's previews
        )
    )


def walk_images(
    folder: str | os.PathLike,
    exclude: Collection[str] = (),
    endings: Collection[str] = ENDINGS,
) -> Walk:
    """Looks through a folder and the folders below it.

    Linked folders are followed: data sets are often made of links. Each is
    entered once, so that a link to a folder above it ends. The folder itself
    is looked into whatever it is called.

    Args:
      folder: the folder.
      exclude: real paths of folders that are not entered.
      endings: of the files that count as images, in lower case.

    Raises:
      ValueError: a folder cannot be read.
    """
    found: dict[str, list[str]]
    found = {"images": [], "tools": [], "unread": [], "special": []}
    entered = set(exclude) - {os.path.realpath(folder)}
    _enter(os.fspath(folder), "", entered, found, endings)
    return Walk(**{name: tuple(paths) for name, paths in found.items()})


def _enter(
    folder: str,
    below: str,
    entered: set[str],
    found: dict[str, list[str]],
    endings: Collection[str],
) -> None:
    path = os.path.join(folder, below) if below else folder
    real = os.path.realpath(path)
    if real in entered:
        return
    entered.add(real)
    try:
        with os.scandir(path) as scanned:
            entries = sorted(scanned, key=lambda entry: entry.name)
    except OSError as error:
        raise ValueError(
            f"The folder {path} cannot be read: {error.strerror}."
        ) from error
    folders = []
    for entry in entries:
        name = f"{below}/{entry.name}" if below else entry.name
        if entry.is_dir():
            folders.append((entry.name, name))
        elif not entry.name.startswith("."):
            _add_file(entry, name, found, endings)
    for base, name in folders:
        if is_tool_folder(base):
            found["tools"].append(name)
        else:
            _enter(folder, name, entered, found, endings)


def _add_file(
    entry: os.DirEntry,
    name: str,
    found: dict[str, list[str]],
    endings: Collection[str],
) -> None:
    kind = ending(entry.name)
    if kind in endings:
        # A broken link is named where it is opened.
        broken = entry.is_symlink() and not os.path.exists(entry.path)
        regular = entry.is_file() or broken
        found["images" if regular else "special"].append(name)
    elif kind in UNREAD:
        found["unread"].append(name)


def _some(folder: str, names: Collection[str]) -> str:
    """The first three of some paths."""
    first = [pathlib.PurePath(folder, n).as_posix() for n in list(names)[:3]]
    return ", ".join(first) + (", ..." if len(names) > 3 else "")
