"""Cityscapes (Cordts et al. 2016), fine annotations, 19 classes."""

import pathlib

from ipixmatch_jax.cli.commands import call_of
from ipixmatch_jax.data.data_set_kind import (
    Contents,
    DataSetKind,
    Download,
    OwnLists,
)
from ipixmatch_jax.data.files.file_source import (
    FileSource,
    absent,
    check_root,
    labelled_entries,
    open_lists,
    split_lists,
)
from ipixmatch_jax.data.files.split_list import Entry
from ipixmatch_jax.data.missing_files import Missing, find_missing_lists
from ipixmatch_jax.data.records import array_record, packed_sets
from ipixmatch_jax.data.source import IGNORE, DataSet

CLASS_NAMES = (
    "road",
    "sidewalk",
    "building",
    "wall",
    "fence",
    "pole",
    "traffic light",
    "traffic sign",
    "vegetation",
    "terrain",
    "sky",
    "person",
    "rider",
    "car",
    "truck",
    "bus",
    "train",
    "motorcycle",
    "bicycle",
)
PALETTE = (
    (128, 64, 128),
    (244, 35, 232),
    (70, 70, 70),
    (102, 102, 156),
    (190, 153, 153),
    (153, 153, 153),
    (250, 170, 30),
    (220, 220, 0),
    (107, 142, 35),
    (152, 251, 152),
    (70, 130, 180),
    (220, 20, 60),
    (255, 0, 0),
    (0, 0, 142),
    (0, 0, 70),
    (0, 60, 100),
    (0, 80, 100),
    (0, 0, 230),
    (119, 11, 32),
)
# The label id of each class, in the order of CLASS_NAMES (the data set's own
# scripts); every other label id counts nowhere.
LABEL_IDS = (
    *(7, 8, 11, 12, 13, 17, 19, 20, 21, 22),
    *(23, 24, 25, 26, 27, 28, 31, 32, 33),
)
TRAIN_IDS = "_labelTrainIds.png"
ALL_IDS = "_labelIds.png"
HOW_TO_GET = (
    "download leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip from "
    "https://www.cityscapes-dataset.com into one folder DIR and run "
    f"`{call_of('prepare')} cityscapes --source DIR`"
)
DOWNLOAD = Download(
    how_to_get=HOW_TO_GET,
    archives={
        "leftImg8bit_trainvaltest.zip": ("/train/", "/val/"),
        "gtFine_trainvaltest.zip": (ALL_IDS,),
    },
    images={"train": 2975, "val": 500},
)
TABLE = bytes(
    LABEL_IDS.index(i) if i in LABEL_IDS else IGNORE for i in range(256)
)


def open_set(root: str, splits_dir: str, split: str) -> DataSet:
    """Labelled and unlabelled part of train, and val; no test masks exist.

    The root is a folder of its layout, or one that data/prepare wrote.

    Raises:
      FileNotFoundError: the root, a list or a listed file is absent.
      ValueError: a list is malformed.
    """
    path = check_root(root, HOW_TO_GET)
    if array_record.is_set(path):
        lists = split_lists(path, splits_dir, split)
        return packed_sets.open_lists(path, lists)
    return open_lists(
        path,
        split_lists(path, splits_dir, split),
        CLASS_NAMES,
        PALETTE,
        table={ALL_IDS: TABLE},
        locate=locate,
        how_to_get=HOW_TO_GET,
    )


def locate(root: pathlib.Path, entries: list[Entry]) -> list[Entry]:
    """Falls back from train ids to the label ids that are downloaded."""
    gone = absent(root, [mask for _, mask in entries if mask])
    others = {
        mask: mask.removesuffix(TRAIN_IDS) + ALL_IDS
        for mask in gone
        if mask.endswith(TRAIN_IDS)
    }
    lost = absent(root, others.values())
    return [
        (image, others[mask])
        if mask in others and others[mask] not in lost
        else (image, mask)
        for image, mask in entries
    ]


def own_lists(root: pathlib.Path) -> tuple[list[Entry], list[Entry]]:
    """Every train and every val image of the root, in sorted order."""
    return _images(root, "train"), _images(root, "val")


def _images(root: pathlib.Path, part: str) -> list[Entry]:
    ending = "_leftImg8bit.png"
    entries: list[Entry] = []
    for path in sorted(root.glob(f"leftImg8bit/{part}/*/*{ending}")):
        image = path.relative_to(root).as_posix()
        stem = image.removeprefix("leftImg8bit/").removesuffix(ending)
        entries.append((image, f"gtFine/{stem}_gtFine{TRAIN_IDS}"))
    if not entries:
        raise FileNotFoundError(
            f"No images at {root}/leftImg8bit/{part}: {HOW_TO_GET}."
        )
    return entries


def find_missing(root: str, splits_dir: str, split: str) -> list[Missing]:
    """Images, masks and lists, as far as they are not there."""
    path = pathlib.Path(root).expanduser()
    found = []
    packed = path.is_dir() and array_record.is_set(path)
    for folder, archive in zip(
        ("leftImg8bit", "gtFine"), DOWNLOAD.archives, strict=True
    ):
        if packed or (path / folder).is_dir():
            continue
        found.append(
            Missing(
                f"Cityscapes' {folder} at {root}",
                f"mkdir -p {root} && csDownload -d {root} {archive} && unzip "
                f"{root}/{archive} -d {root}   # csDownload: pip install "
                "cityscapesscripts; it asks for your account",
            )
        )
    return [*found, *find_missing_lists(path, splits_dir, split)]


def open_contents(source: pathlib.Path) -> Contents:
    """Train and val with fine masks, to be packed."""
    sources = {}
    lists = zip(("train", "val"), own_lists(source), strict=True)
    for name, entries in lists:
        located = locate(source, entries)
        sources[name] = FileSource(
            source,
            labelled_entries(source, located, source),
            len(CLASS_NAMES),
            {ALL_IDS: TABLE},
        )
    return Contents(source, sources, CLASS_NAMES, PALETTE)


KIND = DataSetKind(
    open=open_set,
    own_lists=OwnLists(
        "leftImg8bit (Cityscapes)",
        lambda root: (root / "leftImg8bit").is_dir(),
        own_lists,
    ),
    download=DOWNLOAD,
    open_contents=open_contents,
    find_missing=find_missing,
)
