"""Data sets that data/prepare packed, as they are opened for training."""

import pathlib

from ipixmatch_jax.data.files import class_list
from ipixmatch_jax.data.files.reading import Reading
from ipixmatch_jax.data.files.split_list import read_list
from ipixmatch_jax.data.records import array_record
from ipixmatch_jax.data.source import DataSet
from ipixmatch_jax.data.value_range import resolve_range
from ipixmatch_jax.utils.counts import count_of


def open_parts(
    path: pathlib.Path, channels: int = 3, value_range: str = ""
) -> DataSet:
    """A packed folder of one's own data, with the parts that it had.

    Args:
      path: the set's folder.
      channels: of the images, see decode.read_image.
      value_range: see data/value_range.py.

    Raises:
      FileNotFoundError, ValueError: see `array_record.read_set`.
    """
    found = array_record.read_set(path, "image", "mask")
    classes = class_list.read_class_list(path / "classes.json")
    reading = _ids(classes)

    def source(split: str, how: Reading | None = reading, limits=None):
        return array_record.RecordSource(
            found, found.entries(split), how, channels, limits
        )

    training = [source("train"), source("unlabelled", None)]
    scale = resolve_range(value_range, training)
    return DataSet(
        labelled=source("train", limits=scale.range),
        unlabelled=source("unlabelled", None, scale.range),
        val=source("val", limits=scale.range),
        test=(
            source("test", limits=scale.range)
            if "test" in found.lengths
            else None
        ),
        class_names=classes.names,
        palette=classes.palette,
        notes=scale.notes,
        value_range=scale.text,
    )


def open_lists(path: pathlib.Path, lists: tuple[pathlib.Path, ...]) -> DataSet:
    """A packed data set whose parts are given by split lists.

    Args:
      path: the set's folder.
      lists: of the labelled, the unlabelled and the val images; the images'
        names count, and the masks are those that were packed.

    Raises:
      FileNotFoundError: a list is absent, or names images that are not there.
      ValueError: see `array_record.read_set`.
    """
    found = array_record.read_set(path, "image", "mask")
    classes = class_list.read_class_list(path / "classes.json")
    places = {
        name: (split, i)
        for split in found.lengths
        for i, name in enumerate(found.names(split))
    }

    def source(where: pathlib.Path, reading: Reading | None):
        names = [image for image, _ in read_list(where)]
        gone = [name for name in names if name not in places]
        if gone:
            first = ", ".join(gone[:3]) + (", ..." if len(gone) > 3 else "")
            raise FileNotFoundError(
                f"{where} names {count_of(len(gone), 'image')} that {path} "
                f"does not hold: {first}."
            )
        entries = [places[name] for name in names]
        return array_record.RecordSource(found, entries, reading)

    return DataSet(
        labelled=source(lists[0], _ids(classes)),
        unlabelled=source(lists[1], None),
        val=source(lists[2], _ids(classes)),
        test=None,
        class_names=classes.names,
        palette=classes.palette,
    )


def _ids(classes: class_list.ClassList) -> Reading:
    return Reading(classes, ("RGB",))
