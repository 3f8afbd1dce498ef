"""One's own data: a folder of images, some of them with masks.

    DIR/images/   photographs; sub-folders are fine
    DIR/masks/    a PNG per labelled image, under the image's name
    DIR/classes.json or classes.csv   names and colours (files/class_list.py)
    DIR/val/images, DIR/val/masks     optional; else a share is held out
    DIR/test/images, DIR/test/masks   optional

Images without a mask are unlabelled. docs/own_data.md describes all of it.
"""

import functools
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image

from ipixmatch_jax.data.data_set_kind import Contents, DataSetKind
from ipixmatch_jax.data.files import (
    class_list,
    file_source,
    folder_parts,
    masks,
    stored_masks,
)
from ipixmatch_jax.data.files.bands import Bands, Range
from ipixmatch_jax.data.files.foreign_layouts import answer_export
from ipixmatch_jax.data.files.large_masks import read_content
from ipixmatch_jax.data.files.mask_contents import Content, all_contents
from ipixmatch_jax.data.files.mask_reading import choose_reading
from ipixmatch_jax.data.files.reading import Reading
from ipixmatch_jax.data.files.scene_tiles import cut_scenes
from ipixmatch_jax.data.files.split_list import Entry
from ipixmatch_jax.data.files.tiff_reader import Palette
from ipixmatch_jax.data.files.windowed_image import WindowedMask, is_windowed
from ipixmatch_jax.data.hold_out import HoldOut, refuse_folds
from ipixmatch_jax.data.records import array_record, packed_sets
from ipixmatch_jax.data.source import BadFileError, DataSet
from ipixmatch_jax.data.value_range import resolve_range
from ipixmatch_jax.utils.file_names import printable


class FolderSource(file_source.FileSource):
    """Images, and masks as `reading` reads them."""

    def __init__(
        self,
        root: pathlib.Path,
        entries: Sequence[Entry],
        reading: Reading,
        channels: int = 3,
        value_range: Range | None = None,
    ):
        """Takes checked entries; see `FileSource`."""
        super().__init__(
            root,
            entries,
            len(reading.classes.names),
            channels=channels,
            value_range=value_range,
        )
        self._reading = reading

    def _mask(
        self, name: str, size: tuple[int, int]
    ) -> Image.Image | WindowedMask:
        path = self._path(name)
        if is_windowed(path):
            part = WindowedMask(path, functools.partial(self._to_ids, path))
            _check_size(path, part.size, size)
            return part
        mask = stored_masks.read_stored(path)
        _check_size(path, mask.size, size)
        return masks.to_ids(mask, path, self._reading)

    def _to_ids(self, path: str, stored: Bands | Palette) -> Image.Image:
        mask = stored_masks.from_tiff(stored, path)
        return masks.to_ids(mask, path, self._reading)


def open_set(
    root: str,
    splits_dir: str,
    split: str,
    holdout: float = 0.2,
    channels: int = 3,
    range: str = "",  # the field's name
    folds: int = 0,
    fold: int = 0,
) -> DataSet:
    """Opens a folder: images with masks, images without, and val and test.

    Looks at every mask.

    Args:
      root: the folder, or one that data/prepare packed of it.
      splits_dir: the folder of `<split>/labeled.txt`, `unlabeled.txt` and
        `val.txt`; "" means `<root>/splits`, which need not exist.
      split: "" for lists that lie in the folder itself.
      holdout: the share of the labelled images that val gets where there is
        neither a list nor a folder of it.
      channels: of the images, 1 to 16; see decode.read_image.
      range: of values, see data/value_range.py.
      folds: 0, or how many parts the labelled images are split into instead.
      fold: the part that val gets, from 0; see data/hold_out.py.

    Raises:
      FileNotFoundError: the root, its images or its masks are absent, or a
        list names absent files.
      ValueError: names and masks do not fit, or a mask holds an id or a colour
        that is not listed; the sentence names the file.
    """
    rule = HoldOut(holdout, folds, fold)
    data = _open_whole(root, splits_dir, split, rule, channels, range)
    val, notes = cut_scenes(data.val, "val")
    test = data.test
    if test is not None:
        test, more = cut_scenes(test, "test")
        notes += more
    return data._replace(val=val, test=test, notes=data.notes + notes)


def _open_whole(
    root: str,
    splits_dir: str,
    split: str,
    rule: HoldOut,
    channels: int = 3,
    value_range: str = "",
) -> DataSet:
    """Opens a folder with all scenes whole; see `open_set`."""
    path = _check_root(root)
    if array_record.is_set(path):
        refuse_folds(rule, str(path))
        return packed_sets.open_parts(path, channels, value_range)
    # Asked twice for the same masks where folds are balanced by class.
    look = functools.cache(functools.partial(_look, path))
    parts = folder_parts.find_parts(
        path, splits_dir, split, rule, lambda some: look(_masks(some)).classes
    )
    reading = look(_masks(parts.with_masks())).reading
    training = [*parts.labelled, *parts.unlabelled]
    scale = resolve_range(value_range, [FolderSource(path, training, reading)])

    notes = (reading.said, *scale.notes, *parts.notes)

    def source(some: list[Entry]) -> FolderSource:
        return FolderSource(path, some, reading, channels, scale.range)

    return DataSet(
        labelled=source(parts.labelled),
        unlabelled=source(parts.unlabelled),
        val=source(parts.val),
        test=source(parts.test) if parts.test else None,
        class_names=reading.classes.names,
        palette=reading.classes.palette,
        notes=tuple(map(printable, notes)),
        value_range=scale.text,
        listed=reading.classes.listed,
        held_out=parts.held_out,
    )


def _check_root(root: str) -> pathlib.Path:
    path = pathlib.Path(root).expanduser()
    if not root:
        raise FileNotFoundError(
            "Say where your images are: --config.data.root=DIR, a folder with "
            "images/ and masks/ (docs/own_data.md)."
        )
    export = answer_export(path) if path.is_file() else ""
    if export:
        raise ValueError(export)
    if not path.is_dir():
        what = f"There is no folder {root}"
        what = f"{root} is not a folder" if path.exists() else what
        raise FileNotFoundError(
            f"{what}. Give --config.data.root the folder "
            "that holds images/ and masks/ (docs/own_data.md)."
        )
    return path


class _Masks(NamedTuple):
    """All masks of a folder.

    Attributes:
      reading: how they are read.
      classes: the ids of the classes that each shows, by its name; none of a
        mask that cannot be used.
    """

    reading: Reading
    classes: dict[str, frozenset[int]]


def _masks(entries: Sequence[Entry]) -> tuple[str, ...]:
    """The names of their masks."""
    return tuple(sorted({mask for _, mask in entries if mask}))


def _look(root: pathlib.Path, names: tuple[str, ...]) -> _Masks:
    paths = [str(root / name) for name in names]

    contents = all_contents(lambda i: read_content(paths[i]), len(paths))
    found = class_list.find_class_list(root)
    if found is None:
        classes = masks.classes_of_ids(contents, root)
    else:
        classes = class_list.read_class_list(found)
    reading = choose_reading(contents, classes)
    shown = {c.path: _classes_in(c, reading) for c in contents}
    return _Masks(
        reading,
        {
            name: shown.get(path, frozenset())
            for name, path in zip(names, paths, strict=True)
        },
    )


def _classes_in(content: Content, reading: Reading) -> frozenset[int]:
    """The ids of the classes that a mask shows."""
    to_id = reading.lookup(content.kind)
    ids = {to_id(value, colour) for value, colour in content.pixels}
    return frozenset(ids & set(range(len(reading.classes.names))))


def _check_size(path: str, mask: tuple[int, int], image: tuple[int, int]):
    if mask != image:
        raise BadFileError(
            f"The mask {path} is {mask[0]}x{mask[1]} but its image is "
            f"{image[0]}x{image[1]} as a viewer shows it: draw it again, or "
            "take it out of masks/."
        )


def open_contents(source: pathlib.Path) -> Contents:
    """Every part of a folder, with its hold-out as val, to be packed."""
    data = _open_whole(str(source), "", "", HoldOut())
    parts = {
        "train": data.labelled,
        "unlabelled": data.unlabelled,
        "val": data.val,
        "test": data.test,
    }
    sources = {name: part for name, part in parts.items() if part}
    return Contents(source, sources, data.class_names, data.palette)


KIND = DataSetKind(
    open=open_set,
    options=("holdout", "folds", "fold", "channels", "range"),
    open_contents=open_contents,
)
