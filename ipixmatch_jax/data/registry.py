"""The data sets by name: one file and one line of this table for each."""

from ipixmatch_jax.data.data_set_kind import DataSetKind
from ipixmatch_jax.data.datasets import (
    ade20k,
    camvid,
    cityscapes,
    coco,
    folder,
    shapes,
    tfds,
    voc,
)
from ipixmatch_jax.data.source import DataSet, Sample, Source
from ipixmatch_jax.utils.registry import Registry

__all__ = [
    "DATASETS",
    "DataSet",
    "DataSetKind",
    "Sample",
    "Source",
    "open_data",
    "options",
]

DATASETS: Registry[DataSetKind] = Registry(
    "data set",
    {
        "voc": voc.KIND,
        "cityscapes": cityscapes.KIND,
        "ade20k": ade20k.KIND,
        "coco": coco.KIND,
        "camvid": camvid.KIND,
        "shapes": shapes.KIND,
        "folder": folder.KIND,
        "tfds": tfds.KIND,
    },
)


def options(name: str) -> tuple[str, ...]:
    """The fields of config.data that a data set takes beside root and split.

    Raises:
      UnknownMemberError: there is no data set of that name.
    """
    return DATASETS[name].options


def open_data(
    name: str, root: str, splits_dir: str, split: str, **options
) -> DataSet:
    """Opens a data set and checks that every listed file is there.

    Args:
      name: a key of `DATASETS`.
      root: the folder of the images; "" for shapes, which draws its own.
      splits_dir: the folder of the lists `<split>/labeled.txt`,
        `<split>/unlabeled.txt` and `val.txt`; "" means `<root>/splits`.
      split: such as "1_8".
      **options: those that the data set's `DataSetKind.options` names.

    Raises:
      FileNotFoundError: the root, a list or a listed file is absent.
      ValueError: an unknown name or split, or a malformed list.
    """
    return DATASETS[name].open(root, splits_dir, split, **options)
