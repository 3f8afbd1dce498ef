"""ADE20K (Zhou et al. 2017), the 150 classes of its scene parsing benchmark.

The benchmark's masks hold 0 for what is none of the classes and 1 to 150 for
the classes; here, as in the field, 0 becomes 255 and k becomes k - 1.
"""

import pathlib

from ipixmatch_jax.cli.commands import call_of
from ipixmatch_jax.data.data_set_kind import (
    Contents,
    DataSetKind,
    Download,
    OwnLists,
)
from ipixmatch_jax.data.files import stored_masks
from ipixmatch_jax.data.files.class_list import UNLISTED, voc_colour
from ipixmatch_jax.data.files.file_source import (
    FileSource,
    check_root,
    labelled_entries,
    open_lists,
    split_lists,
)
from ipixmatch_jax.data.files.split_list import Entry, read_list
from ipixmatch_jax.data.records import array_record, packed_sets
from ipixmatch_jax.data.source import IGNORE, DataSet

# The first of the names that the benchmark's objectInfo150.txt has for each.
CLASS_NAMES = tuple(
    """wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass,
    cabinet, sidewalk, person, earth, door, table, mountain, plant, curtain,
    chair, car, water, painting, sofa, shelf, house, sea, mirror, rug, field,
    armchair, seat, fence, desk, rock, wardrobe, lamp, bathtub, railing,
    cushion, base, box, column, signboard, chest of drawers, counter, sand,
    sink, skyscraper, fireplace, refrigerator, grandstand, path, stairs, runway,
    case, pool table, pillow, screen door, stairway, river, bridge, bookcase,
    blind, coffee table, toilet, flower, book, hill, bench, countertop, stove,
    palm, kitchen island, computer, swivel chair, boat, bar, arcade machine,
    hovel, bus, towel, light, truck, tower, chandelier, awning, streetlight,
    booth, television receiver, airplane, dirt track, apparel, pole, land,
    bannister, escalator, ottoman, bottle, buffet, poster, stage, van, ship,
    fountain, conveyer belt, canopy, washer, plaything, swimming pool, stool,
    barrel, basket, waterfall, tent, bag, minibike, cradle, oven, ball, food,
    step, tank, trade name, microwave, pot, animal, bicycle, lake, dishwasher,
    screen, blanket, sculpture, hood, sconce, vase, traffic light, tray, ashcan,
    fan, pier, crt screen, plate, monitor, bulletin board, shower, radiator,
    glass, clock, flag""".replace("\n    ", " ").split(", ")
)
# VOC's colours, without its black.
PALETTE = tuple(voc_colour(i + 1) for i in range(len(CLASS_NAMES)))
ARCHIVE = "ADEChallengeData2016"
HOW_TO_GET = (
    f"download {ARCHIVE}.zip from "
    "http://data.csail.mit.edu/places/ADEchallenge/ into a folder DIR and run "
    f"`{call_of('prepare')} ade20k --source DIR`"
)
TABLE = bytes([IGNORE, *range(150), *[UNLISTED] * 105])
_LOOKED_AT = 16  # Masks that are read before training starts.


def find_root(path: pathlib.Path) -> pathlib.Path:
    """The folder of images/ and annotations/: the path itself or one below."""
    below = path / ARCHIVE
    return below if below.is_dir() else path


def open_set(root: str, splits_dir: str, split: str) -> DataSet:
    """Labelled and unlabelled part of train, and val; no test masks exist.

    The root is a folder of the benchmark's layout, or one that data/prepare
    wrote.

    Raises:
      FileNotFoundError: the root, a list or a listed file is absent.
      ValueError: a list is malformed, or a mask is not the benchmark's own.
    """
    path = check_root(root, HOW_TO_GET)
    lists = split_lists(path, splits_dir, split)
    if array_record.is_set(path):
        return packed_sets.open_lists(path, lists)
    path = find_root(path)
    data = open_lists(
        path,
        lists,
        CLASS_NAMES,
        PALETTE,
        table={"": TABLE},
        how_to_get=HOW_TO_GET,
    )
    _refuse_reduced(path, read_list(lists[0]))
    return data


def _refuse_reduced(root: pathlib.Path, entries: list[Entry]) -> None:
    """Refuses masks whose ids were reduced before, as UniMatch V2's are.

    To reduce them again would make every class another one. They hold 255,
    which the benchmark's own never do.
    """
    for _, mask in entries[:_LOOKED_AT]:
        path = root / str(mask)
        if stored_masks.read_mask(str(path)).histogram()[IGNORE]:
            raise ValueError(
                f"The mask {path} holds 255, which ADE20K's own masks never "
                "do: its ids were reduced by 1 before (as in UniMatch V2's "
                f"download). They are reduced as they are read: {HOW_TO_GET}."
            )


def own_lists(root: pathlib.Path) -> tuple[list[Entry], list[Entry]]:
    """Every training and every validation image, in the order of names."""
    root = find_root(root)
    return _images(root, "training"), _images(root, "validation")


def _images(root: pathlib.Path, part: str) -> list[Entry]:
    folder = root / "images" / part
    entries: list[Entry] = [
        (f"images/{part}/{path.name}", f"annotations/{part}/{path.stem}.png")
        for path in sorted(folder.glob("*.jpg"))
    ]
    if not entries:
        raise FileNotFoundError(f"No images in {folder}: {HOW_TO_GET}.")
    return entries


def open_contents(source: pathlib.Path) -> Contents:
    """Train and val, to be packed."""
    root = find_root(source)
    sources = {}
    for name, entries in zip(("train", "val"), own_lists(root), strict=True):
        labelled = labelled_entries(root, entries, root, HOW_TO_GET)
        _refuse_reduced(root, labelled)
        sources[name] = FileSource(
            root, labelled, len(CLASS_NAMES), {"": TABLE}
        )
    return Contents(root, sources, CLASS_NAMES, PALETTE)


KIND = DataSetKind(
    open=open_set,
    own_lists=OwnLists(
        "annotations/training (ADE20K)",
        lambda root: (find_root(root) / "annotations" / "training").is_dir(),
        own_lists,
    ),
    download=Download(
        how_to_get=HOW_TO_GET,
        archives={
            f"{ARCHIVE}.zip": (f"{ARCHIVE}/images/", f"{ARCHIVE}/annotations/")
        },
        images={"train": 20210, "val": 2000},
    ),
    open_contents=open_contents,
)
