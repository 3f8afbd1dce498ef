"""Images and masks in files under one root."""

import os
import pathlib
import posixpath
import unicodedata
from collections.abc import Iterable, Sequence

from PIL import Image

from ipixmatch_jax.data.band_image import BandImage
from ipixmatch_jax.data.files import decode, stored_masks, tiff_windows
from ipixmatch_jax.data.files.bands import Bands, Range
from ipixmatch_jax.data.files.split_list import Entry, read_list
from ipixmatch_jax.data.files.windowed_image import (
    WindowedImage,
    WindowedMask,
    is_windowed,
)
from ipixmatch_jax.data.source import (
    IGNORE,
    BadFileError,
    DataSet,
    Sample,
    Source,
)


class FileSource(Source):
    """A list of image files and, for labelled sources, their mask files.

    Names are paths below the root. Links are followed wherever they lead, since
    the root belongs to the user, while lists may come from anyone.
    files/decode.py says how each kind of file is read. Masks are indexed or
    grey PNGs that hold ids; `table` maps the ids of the files (0..255) to
    those of the classes where they differ.
    """

    def __init__(
        self,
        root: pathlib.Path,
        entries: Sequence[Entry],
        num_classes: int,
        table: dict[str, bytes] | None = None,
        channels: int = 3,
        value_range: Range | None = None,
    ):
        """Takes entries as they are; `open_lists` has checked them.

        Args:
          root: the folder that the entries are relative to.
          entries: (image, mask) or (image, None) for an unlabelled image.
          num_classes: ids at or above it, other than 255, are refused.
          table: how a mask's name ends -> 256 bytes, the id that each id
            in the file stands for; UNLISTED for an id that is not allowed.
          channels: of the images, see decode.read_image.
          value_range: of images of more than 8 bits, see the same.
        """
        self._root = os.fspath(root)
        self._entries = tuple(entries)
        self._num_classes = num_classes
        self._table = table or {}
        self._channels = channels
        self._range = value_range

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, i: int) -> Sample:
        image_name, mask_name = self._entries[i]
        path = self._path(image_name)
        image: Image.Image | BandImage | WindowedImage
        if is_windowed(path):
            image = WindowedImage(path, self._channels, self._range)
        else:
            image = decode.read_image(
                path, channels=self._channels, value_range=self._range
            )
        if mask_name is None:
            return Sample(image, None)
        return Sample(image, self._mask(mask_name, image.size))

    def mask(self, i: int) -> Image.Image | WindowedMask | None:
        """See `Source.mask`; reads the header of the image alone."""
        name = self._entries[i][1]
        height, width = self.size(i)
        return None if name is None else self._mask(name, (width, height))

    def name(self, i: int) -> str:
        """See `Source.name`."""
        return self._entries[i][0]

    def path(self, i: int) -> str:
        """See `Source.path`."""
        return self._path(self.name(i))

    def size(self, i: int) -> tuple[int, int]:
        """See `Source.size`; reads the header only."""
        path = self.path(i)
        if is_windowed(path):
            return tiff_windows.read_size(path)
        return decode.read_size(path)

    def is_windowed(self, i: int) -> bool:
        """Whether the image and its mask, if any, are read in windows."""
        names = (name for name in self._entries[i] if name is not None)
        return all(is_windowed(self._path(name)) for name in names)

    def is_deep(self, i: int) -> bool:
        """Whether an image has more than 8 bits per channel."""
        path = self.path(i)
        if is_windowed(path):
            return tiff_windows.is_deep(path)
        return decode.is_deep(path)

    def deep_bands(self, i: int) -> Bands:
        """The pixels of an image for which `is_deep` is true, as stored."""
        path = self.path(i)
        if is_windowed(path):
            return WindowedImage(path).measured_bands()
        return decode.read_bands(path)

    def _path(self, name: str) -> str:
        return os.path.join(self._root, name)

    def _mask(
        self, name: str, size: tuple[int, int]
    ) -> Image.Image | WindowedMask:
        path = self._path(name)
        mask = stored_masks.read_mask(path)
        if mask.size != size:
            raise BadFileError(
                f"The mask {path} is {mask.width}x{mask.height} but its "
                f"image is {size[0]}x{size[1]}{_hint(mask.size, size)}."
            )
        table = next(
            (t for end, t in self._table.items() if name.endswith(end)), _AS_IS
        )
        self._check_ids(mask, path, table)
        return mask.point(table)

    def _check_ids(self, mask: Image.Image, path: str, table: bytes) -> None:
        """Refuses ids that stand for no class and are not left out."""
        counts = mask.histogram()
        wrong = [
            v for v in range(256) if self._num_classes <= table[v] < IGNORE
        ]
        for value in wrong:
            if counts[value]:
                right = sorted({*range(256)} - {*wrong})
                raise BadFileError(
                    f"The mask {path} holds the id {value}; the ids are "
                    f"{_ranges(right)}."
                )


_AS_IS = bytes(range(256))


def _ranges(values: list[int]) -> str:
    """Sorted numbers in words, such as "0 to 20 and 255"."""
    starts = [v for v in values if v - 1 not in values]
    ends = [v for v in values if v + 1 not in values]
    parts = [
        f"{a} to {b}" if b > a else f"{a}"
        for a, b in zip(starts, ends, strict=True)
    ]
    return " and ".join(parts)


def _hint(mask: tuple[int, int], image: tuple[int, int]) -> str:
    if mask != image[::-1]:
        return ""
    return (
        ": if the image has an EXIF rotation it was applied, so turn the "
        "mask too or take the tag away"
    )


def absent(root: pathlib.Path, names: Iterable[str]) -> set[str]:
    """The names (relative to root) that do not exist there.

    Lists each folder once, since one call per file is slow on network disks.

    Raises:
      ValueError: a folder is there and may not be read.
    """
    folders: dict[str, set[str]] = {}
    gone = set()
    for name in names:
        folder, _, base = name.rpartition("/")
        if folder not in folders:
            folders[folder] = _listed(os.path.join(root, folder))
        if base not in folders[folder]:
            gone.add(name)
    return gone


def _listed(folder: str) -> set[str]:
    try:
        return set(os.listdir(folder) if os.path.isdir(folder) else ())
    except OSError as error:
        raise ValueError(
            f"The folder {folder} cannot be read: {error.strerror}."
        ) from error


def check_root(root: str, how_to_get: str) -> pathlib.Path:
    """The root as a path.

    Args:
      root: as the config has it.
      how_to_get: how the data get into a folder called DIR.

    Raises:
      FileNotFoundError: there is no such folder; says where to get the data.
    """
    path = pathlib.Path(root).expanduser()
    if not root or not path.is_dir():
        what = f"There is no folder {root}" if root else "data.root is empty"
        raise FileNotFoundError(
            f"{what}: {how_to_get}; then give {name_dir(root)}."
        )
    return path


def name_dir(root: str) -> str:
    """How a run finds the folder that advice on a download calls DIR."""
    other = f", unless DIR is {root}" if root else ""
    return f"--config.data.root=DIR{other}"


def labelled_entries(
    root: pathlib.Path,
    entries: Sequence[Entry],
    where: pathlib.Path,
    how_to_get: str = "",
) -> list[Entry]:
    """Entries whose images and masks are all there.

    Raises:
      FileNotFoundError: names the first three absent files and their count,
        and says `how_to_get` them.
      ValueError: an entry has no mask.
    """
    names: list[str] = []
    for image, mask in entries:
        if mask is None:
            raise ValueError(f"{where}: {image} is labelled but has no mask.")
        names += [image, mask]
    moved = _composed(root, names, where, how_to_get)
    return [
        (moved.get(image, image), mask and moved.get(mask, mask))
        for image, mask in entries
    ]


def unlabelled_entries(
    root: pathlib.Path,
    entries: Sequence[Entry],
    where: pathlib.Path,
    how_to_get: str = "",
) -> list[Entry]:
    """Entries without masks, whose images are all there.

    Raises:
      FileNotFoundError: names the first three absent files and their count,
        and says `how_to_get` them.
    """
    images = [image for image, _ in entries]
    moved = _composed(root, images, where, how_to_get)
    return [(moved.get(image, image), None) for image in images]


def _composed(
    root: pathlib.Path,
    names: Sequence[str],
    where: pathlib.Path,
    how_to_get: str,
) -> dict[str, str]:
    """Names on disk by those of a list that compose letters differently.

    é is one letter or two, as where a folder or its list was written on a
    Mac; the two look the same.

    Raises:
      FileNotFoundError: a file is absent under any such name.
    """
    gone = absent(root, names)
    moved = {name: _same_letters(root, name) for name in gone}
    gone = {name for name, there in moved.items() if there is None}
    if gone:
        first = [name for name in names if name in gone][:3]
        raise FileNotFoundError(
            f"{where} names {len(gone)} files that {root} does not hold: "
            f"{', '.join(first)}{', ...' if len(gone) > 3 else ''}"
            f"{'; to have them, ' if how_to_get else ''}{how_to_get}."
        )
    return {name: there for name, there in moved.items() if there is not None}


def _same_letters(root: pathlib.Path, name: str) -> str | None:
    """The path below the root that shows the same letters as `name`."""
    found = ""
    for part in name.split("/"):
        wanted = unicodedata.normalize("NFC", part)
        there = [
            other
            for other in _listed(os.path.join(root, found))
            if unicodedata.normalize("NFC", other) == wanted
        ]
        if not there:
            return None
        found = posixpath.join(found, there[0])
    return found


def split_lists(
    root: pathlib.Path, splits_dir: str, split: str
) -> tuple[pathlib.Path, pathlib.Path, pathlib.Path]:
    """Paths of the labelled, the unlabelled and the val list."""
    folder = pathlib.Path(splits_dir) if splits_dir else root / "splits"
    folder = folder.expanduser()
    return (
        folder / split / "labeled.txt",
        folder / split / "unlabeled.txt",
        folder / "val.txt",
    )


def same_entries(root: pathlib.Path, entries: list[Entry]) -> list[Entry]:
    """For data sets whose lists name the files as they lie on disk."""
    del root
    return entries


def open_lists(
    root: pathlib.Path,
    lists: tuple[pathlib.Path, pathlib.Path, pathlib.Path],
    class_names: tuple[str, ...],
    palette: tuple[tuple[int, int, int], ...],
    *,
    test: pathlib.Path | None = None,
    table: dict[str, bytes] | None = None,
    locate=same_entries,
    how_to_get: str = "",
) -> DataSet:
    """The sources that three or four lists describe.

    `lists` are those of the labelled, the unlabelled and the val images, with
    lines relative to `root`; `table` as in `FileSource`; `locate` turns
    (root, entries) into entries with each mask's name as it lies on disk;
    `how_to_get` says how to get files that are absent.

    Raises:
      FileNotFoundError: a list is absent, or names absent files.
      ValueError: a list is malformed.
    """

    def labelled(path):
        entries = labelled_entries(
            root, locate(root, read_list(path)), path, how_to_get
        )
        return FileSource(root, entries, len(class_names), table)

    def unlabelled(path):
        entries = unlabelled_entries(root, read_list(path), path, how_to_get)
        return FileSource(root, entries, len(class_names))

    return DataSet(
        labelled=labelled(lists[0]),
        unlabelled=unlabelled(lists[1]),
        val=labelled(lists[2]),
        test=None if test is None else labelled(test),
        class_names=class_names,
        palette=palette,
    )
