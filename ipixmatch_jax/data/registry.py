"""The data sets by name."""

from ipixmatch_jax.data.datasets import camvid, cityscapes, folder, shapes, voc
from ipixmatch_jax.data.records import datasets
from ipixmatch_jax.data.source import DataSet, Sample, Source

__all__ = [
    "DATA_SETS",
    "OPTIONS",
    "DataSet",
    "Sample",
    "Source",
    "open_data",
]

DATA_SETS = {
    "voc": voc.open_set,
    "cityscapes": cityscapes.open_set,
    "camvid": camvid.open_set,
    "shapes": shapes.open_set,
    "folder": folder.open_set,
    "tfds": datasets.open_tfds,
}
# What a data set takes beside the root and the split: fields of data.
OPTIONS = {
    "folder": ("holdout", "channels"),
    "tfds": ("holdout", "channels", "tfds", "image_feature", "mask_feature"),
}


def open_data(
    name: str, root: str, splits_dir: str, split: str, **options
) -> DataSet:
    """Opens a data set and checks that every listed file is there.

    Args:
      name: a key of `DATA_SETS`.
      root: the folder of the images; unused by shapes, which draws its own.
      splits_dir: the folder of the lists `<split>/labeled.txt`,
        `<split>/unlabeled.txt` and `val.txt`; "" means `<root>/splits`.
      split: such as "1_8".
      **options: those that `OPTIONS` names for the data set.

    Raises:
      FileNotFoundError: the root, a list or a listed file is absent.
      ValueError: an unknown name or split, or a malformed list.
    """
    if name not in DATA_SETS:
        raise ValueError(
            f"No data set is called {name!r}; data.name is one of "
            f"{', '.join(DATA_SETS)}."
        )
    return DATA_SETS[name](root, splits_dir, split, **options)
