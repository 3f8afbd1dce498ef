"""COCO 2017 (Lin et al. 2014) as a set of 81 classes.

Class 0 is all that is none of the 80 things, and is scored, as in the field;
classes 1 to 80 are the things in the order of COCO's category ids.
"""

import pathlib

from ipixmatch_jax.cli.commands import call_of
from ipixmatch_jax.data.data_set_kind import (
    Contents,
    DataSetKind,
    Download,
    OwnLists,
)
from ipixmatch_jax.data.downloads.coco_masks import draw_masks
from ipixmatch_jax.data.files.class_list import voc_colour
from ipixmatch_jax.data.files.file_source import (
    FileSource,
    check_root,
    labelled_entries,
    open_lists,
    split_lists,
)
from ipixmatch_jax.data.files.split_list import Entry
from ipixmatch_jax.data.records import array_record, packed_sets
from ipixmatch_jax.data.source import DataSet

CLASS_NAMES = tuple(
    """background, person, bicycle, car, motorcycle, airplane, bus, train,
    truck, boat, traffic light, fire hydrant, stop sign, parking meter, bench,
    bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack,
    umbrella, handbag, tie, suitcase, frisbee, skis, snowboard, sports ball,
    kite, baseball bat, baseball glove, skateboard, surfboard, tennis racket,
    bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich,
    orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted
    plant, bed, dining table, toilet, tv, laptop, mouse, remote, keyboard, cell
    phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase,
    scissors, teddy bear, hair drier, toothbrush""".replace(
        "\n    ", " "
    ).split(", ")
)
# Category ids that COCO's lists of instances never use.
_UNUSED = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
CATEGORY_IDS = tuple(i for i in range(1, 91) if i not in _UNUSED)
PALETTE = tuple(voc_colour(i) for i in range(len(CLASS_NAMES)))
MASKS = "masks"
HOW_TO_GET = (
    "download train2017.zip, val2017.zip and annotations_trainval2017.zip from "
    "https://cocodataset.org into a folder DIR and run "
    f"`{call_of('prepare')} coco --source DIR`, which draws the masks"
)


def open_set(root: str, splits_dir: str, split: str) -> DataSet:
    """Labelled and unlabelled part of train2017, and val2017.

    The root holds train2017, val2017 and masks, or was written by
    data/prepare.

    Raises:
      FileNotFoundError: the root, a list or a listed file is absent.
      ValueError: a list is malformed.
    """
    path = check_root(root, HOW_TO_GET)
    lists = split_lists(path, splits_dir, split)
    if array_record.is_set(path):
        return packed_sets.open_lists(path, lists)
    return open_lists(path, lists, CLASS_NAMES, PALETTE, how_to_get=HOW_TO_GET)


def own_lists(root: pathlib.Path) -> tuple[list[Entry], list[Entry]]:
    """Every image of train2017 and of val2017, in the order of names."""
    return _images(root, "train2017"), _images(root, "val2017")


def _images(root: pathlib.Path, part: str) -> list[Entry]:
    entries: list[Entry] = [
        (f"{part}/{path.name}", f"{MASKS}/{path.stem}.png")
        for path in sorted((root / part).glob("*.jpg"))
    ]
    if not entries:
        raise FileNotFoundError(f"No images in {root / part}: {HOW_TO_GET}.")
    return entries


def complete(root: pathlib.Path) -> tuple[str, ...]:
    """Draws the masks, see `Download.complete` and downloads/coco_masks.py."""
    class_ids = {category: k for k, category in enumerate(CATEGORY_IDS, 1)}
    for part in ("train2017", "val2017"):
        instances = root / "annotations" / f"instances_{part}.json"
        if not instances.is_file():
            raise FileNotFoundError(f"No list at {instances}: {HOW_TO_GET}.")
        draw_masks(instances, root / MASKS, class_ids, PALETTE)
    return ()


def open_contents(source: pathlib.Path) -> Contents:
    """Train and val, to be packed."""
    sources = {
        name: FileSource(
            source,
            labelled_entries(source, entries, source, HOW_TO_GET),
            len(CLASS_NAMES),
        )
        for name, entries in zip(
            ("train", "val"), own_lists(source), strict=True
        )
    }
    return Contents(source, sources, CLASS_NAMES, PALETTE)


KIND = DataSetKind(
    open=open_set,
    own_lists=OwnLists(
        "train2017 (COCO)",
        lambda root: (root / "train2017").is_dir(),
        own_lists,
    ),
    download=Download(
        how_to_get=HOW_TO_GET,
        archives={
            "train2017.zip": ("train2017/",),
            "val2017.zip": ("val2017/",),
            "annotations_trainval2017.zip": ("annotations/instances_",),
        },
        images={"train": 118287, "val": 5000},
        complete=complete,
        marks=(
            *("train2017", "val2017"),
            *(f"annotations/instances_{p}2017.json" for p in ("train", "val")),
        ),
        extra=("pycocotools", "coco"),
    ),
    open_contents=open_contents,
)
