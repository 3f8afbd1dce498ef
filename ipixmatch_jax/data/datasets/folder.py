"""One's own data: a folder of images, some of them with masks.

    DIR/images/   photographs; sub-folders are fine
    DIR/masks/    a PNG per labelled image, under the image's name
    DIR/classes.json or classes.csv   names and colours (data/class_list.py)
    DIR/val/images, DIR/val/masks     optional; else a share is held out
    DIR/test/images, DIR/test/masks   optional

Images without a mask are unlabelled. docs/own_data.md describes all of it.
"""

import hashlib
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image

from ipixmatch_jax.data.files import (
    class_list,
    file_source,
    image_mask_pairs,
    masks,
)
from ipixmatch_jax.data.files.split_list import Entry, read_list
from ipixmatch_jax.data.records import array_record, datasets
from ipixmatch_jax.data.source import BadFileError, DataSet

HOW_TO_GET = "make a folder that holds images/ and masks/ (docs/own_data.md)"


class FolderSource(file_source.FileSource):
    """Images, and masks as `reading` reads them."""

    def __init__(
        self,
        root: pathlib.Path,
        entries: Sequence[Entry],
        reading: masks.Reading,
        channels: int = 3,
    ):
        """Takes checked entries; see `FileSource`."""
        count = len(reading.classes.names)
        super().__init__(root, entries, count, channels=channels)
        self._reading = reading

    def _mask(self, name: str, size: tuple[int, int]) -> Image.Image:
        path = self._path(name)
        mask = masks.opened(path)
        _check_size(path, mask.size, size)
        return masks.to_ids(mask, path, self._reading)


class _Entries(NamedTuple):
    labelled: list[Entry]
    unlabelled: list[Entry]
    val: list[Entry]
    test: list[Entry]

    def with_masks(self) -> list[Entry]:
        return [*self.labelled, *self.val, *self.test]


def open_set(
    root: str,
    splits_dir: str,
    split: str,
    holdout: float = 0.2,
    channels: int = 3,
) -> DataSet:
    """The images with masks, those without, and val; every mask is looked at.

    Args:
      root: the folder, or one that data/prepare.py wrote of it.
      splits_dir: the folder of `<split>/labeled.txt`, `unlabeled.txt` and
        `val.txt`; "" means `<root>/splits`, which need not exist.
      split: "" for lists that lie in the folder itself.
      holdout: the share of the labelled images that val gets where there is
        neither a list nor a folder of it.
      channels: of the images, 1 to 4; see decode.read_image.

    Raises:
      FileNotFoundError: the root, its images or its masks are absent, or a
        list names absent files.
      ValueError: names and masks do not fit; a mask holds an id or a colour
        that is not listed; one sentence that names the file.
    """
    path = file_source.check_root(root, HOW_TO_GET)
    if array_record.is_set(path):
        return datasets.open_parts(path, channels)
    entries = _entries(path, splits_dir, split, holdout)
    reading = _reading(path, entries.with_masks())

    def source(some: list[Entry]) -> FolderSource:
        return FolderSource(path, some, reading, channels)

    return DataSet(
        labelled=source(entries.labelled),
        unlabelled=source(entries.unlabelled),
        val=source(entries.val),
        test=source(entries.test) if entries.test else None,
        class_names=reading.classes.names,
        palette=reading.classes.palette,
    )


def _entries(
    root: pathlib.Path, splits_dir: str, split: str, holdout: float
) -> _Entries:
    lists = file_source.split_lists(root, splits_dir, split)
    if splits_dir or split or lists[0].is_file():
        return _listed(root, lists, holdout)
    labelled, unlabelled = image_mask_pairs.find(root, "")
    if not labelled:
        raise FileNotFoundError(
            f"{root}/masks holds no masks: put the PNG mask of at least two "
            "of the images there, under the image's name."
        )
    val = _complete(root, "val")
    test = _complete(root, "test")
    if not val:
        labelled, val = hold_out(labelled, holdout, str(root))
    return _Entries(labelled, unlabelled, val, test)


def _listed(
    root: pathlib.Path, lists: tuple[pathlib.Path, ...], holdout: float
) -> _Entries:
    """As the lists say; without one of val, as without any list."""
    some = file_source.labelled_entries(root, read_list(lists[0]), lists[0])
    if lists[1].is_file():
        rest = file_source.unlabelled_entries(
            root, read_list(lists[1]), lists[1]
        )
    else:
        named = {image for image, _ in some}
        every = [
            image
            for both in image_mask_pairs.find(root, "")
            for image, _ in both
        ]
        rest = [(image, None) for image in sorted(every) if image not in named]
    if lists[2].is_file():
        val = file_source.labelled_entries(root, read_list(lists[2]), lists[2])
    else:
        val = _complete(root, "val")
    if not val:
        some, val = hold_out(some, holdout, str(lists[0]))
    held = {image for image, _ in val}
    rest = [entry for entry in rest if entry[0] not in held]
    return _Entries(some, rest, val, _complete(root, "test"))


def _complete(root: pathlib.Path, part: str) -> list[Entry]:
    """The images of val/ or test/, which all need a mask; none if absent."""
    if not (root / part).is_dir():
        return []
    labelled, unlabelled = image_mask_pairs.find(root, part)
    if unlabelled:
        raise ValueError(
            f"{root}/{part} holds {len(unlabelled)} images without a mask, "
            f"such as {unlabelled[0][0]}: only images with masks can be "
            "scored, so move the others to images/."
        )
    return labelled


def hold_out(
    labelled: list[Entry], share: float, where: str
) -> tuple[list[Entry], list[Entry]]:
    """(the rest, those held out), both in order.

    Those whose names have the least SHA-256 are held out: the choice is the
    same for every run and hardly moves when images are added. The share is
    rounded to the nearest whole number, halves up, and leaves at least one on
    either side.

    Raises:
      ValueError: fewer than two labelled images, or no share in (0, 1).
    """
    if not 0 < share < 1:
        raise ValueError(
            f"config.data.holdout={share} is not a share between 0 and 1."
        )
    if len(labelled) < 2:
        raise ValueError(
            f"{where} has {len(labelled)} labelled image, and one more is "
            "needed to score on: draw a second mask, or add val/images and "
            "val/masks."
        )
    count = min(max(1, int(len(labelled) * share + 0.5)), len(labelled) - 1)
    ranked = sorted(
        labelled, key=lambda e: hashlib.sha256(e[0].encode()).digest()
    )
    held = set(ranked[:count])
    return [e for e in labelled if e not in held], sorted(held)


def _reading(root: pathlib.Path, entries: list[Entry]) -> masks.Reading:
    paths = [str(root / mask) for _, mask in entries]

    def look(i: int) -> masks.Seen:
        return masks.see(masks.opened(paths[i]), paths[i])

    seen = masks.look(look, len(paths))
    found = class_list.find(root)
    if found is None:
        classes = masks.without_file(seen, root)
    else:
        classes = class_list.read(found)
    return masks.choose(seen, classes)


def _check_size(path: str, mask: tuple[int, int], image: tuple[int, int]):
    if mask != image:
        raise BadFileError(
            f"The mask {path} is {mask[0]}x{mask[1]} but its image is "
            f"{image[0]}x{image[1]} as a viewer shows it: draw it again, or "
            "take it out of masks/."
        )
