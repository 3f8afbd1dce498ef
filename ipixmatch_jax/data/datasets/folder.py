"""One's own data: a folder of images, some of them with masks.

    DIR/images/   photographs; sub-folders are fine
    DIR/masks/    a PNG per labelled image, under the image's name
    DIR/classes.json or classes.csv   names and colours (data/class_list.py)
    DIR/val/images, DIR/val/masks     optional; else a share is held out
    DIR/test/images, DIR/test/masks   optional

Images without a mask are unlabelled. docs/own_data.md describes all of it.
"""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image

from ipixmatch_jax.data.data_set_kind import Contents, DataSetKind, Pack
from ipixmatch_jax.data.files import (
    class_list,
    file_source,
    image_mask_pairs,
    masks,
    stored_masks,
)
from ipixmatch_jax.data.files.mask_contents import (
    Content,
    all_contents,
    mask_content,
)
from ipixmatch_jax.data.files.mask_reading import Reading, choose_reading
from ipixmatch_jax.data.files.split_list import Entry, read_list
from ipixmatch_jax.data.hold_out import hold_out
from ipixmatch_jax.data.records import array_record, packed_sets
from ipixmatch_jax.data.source import BadFileError, DataSet

HOW_TO_GET = "make a folder that holds images/ and masks/ (docs/own_data.md)"


class FolderSource(file_source.FileSource):
    """Images, and masks as `reading` reads them."""

    def __init__(
        self,
        root: pathlib.Path,
        entries: Sequence[Entry],
        reading: Reading,
        channels: int = 3,
    ):
        """Takes checked entries; see `FileSource`."""
        count = len(reading.classes.names)
        super().__init__(root, entries, count, channels=channels)
        self._reading = reading

    def _mask(self, name: str, size: tuple[int, int]) -> Image.Image:
        path = self._path(name)
        mask = stored_masks.read_stored(path)
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
      root: the folder, or one that data/prepare packed of it.
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
        return packed_sets.open_parts(path, channels)
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
        listed=reading.classes.listed,
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


def _reading(root: pathlib.Path, entries: list[Entry]) -> Reading:
    paths = [str(root / mask) for _, mask in entries]

    def content(i: int) -> Content:
        return mask_content(stored_masks.read_stored(paths[i]), paths[i])

    contents = all_contents(content, len(paths))
    found = class_list.find(root)
    if found is None:
        classes = masks.classes_of_ids(contents, root)
    else:
        classes = class_list.read(found)
    return choose_reading(contents, classes)


def _check_size(path: str, mask: tuple[int, int], image: tuple[int, int]):
    if mask != image:
        raise BadFileError(
            f"The mask {path} is {mask[0]}x{mask[1]} but its image is "
            f"{image[0]}x{image[1]} as a viewer shows it: draw it again, or "
            "take it out of masks/."
        )


def open_contents(source: pathlib.Path) -> Contents:
    """Every part of a folder, with its hold-out as val, to be packed."""
    data = open_set(str(source), "", "")
    parts = {
        "train": data.labelled,
        "unlabelled": data.unlabelled,
        "val": data.val,
        "test": data.test,
    }
    sources = {name: part for name, part in parts.items() if part}
    return Contents(source, sources, data.class_names, data.palette)


KIND = DataSetKind(
    open=open_set, options=("holdout", "channels"), pack=Pack(open_contents)
)
