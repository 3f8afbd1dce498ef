"""PASCAL VOC 2012 (Everingham et al.), with SBD's masks where present."""

import pathlib

from ipixmatch_jax.cli.commands import call_of
from ipixmatch_jax.data.data_set_kind import (
    Contents,
    DataSetKind,
    Download,
    OwnLists,
)
from ipixmatch_jax.data.downloads.sbd_masks import make_train_aug
from ipixmatch_jax.data.files.class_list import voc_colour
from ipixmatch_jax.data.files.file_source import (
    FileSource,
    absent,
    check_root,
    labelled_entries,
    open_lists,
    split_lists,
)
from ipixmatch_jax.data.files.split_list import Entry, read_lines, read_list
from ipixmatch_jax.data.missing_files import Missing, find_missing_lists
from ipixmatch_jax.data.records import array_record, packed_sets
from ipixmatch_jax.data.source import DataSet

CLASS_NAMES = (
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "dining table",
    "dog",
    "horse",
    "motorbike",
    "person",
    "potted plant",
    "sheep",
    "sofa",
    "train",
    "tv monitor",
)
ARCHIVE = (
    "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar"
)
SBD_PAGE = "http://www.cs.berkeley.edu/~bharath2/codes/SBD/download.html"
HOW_TO_GET = (
    "download VOCtrainval_11-May-2012.tar from "
    "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/ and, for the lists of "
    f"10,582 images, SBD's benchmark.tgz from {SBD_PAGE} into one folder DIR, "
    f"and run `{call_of('prepare')} voc --source DIR`, which also makes "
    "SegmentationClassAug"
)
# VOC's own masks, and the folder in which SBD's masks are distributed.
MASK_FOLDERS = ("SegmentationClass", "SegmentationClassAug")
LISTS_FOLDER = pathlib.PurePath("ImageSets", "Segmentation")
TRAIN_LISTS = ("train_aug.txt", "trainaug.txt", "train.txt")
SBD = pathlib.PurePath("benchmark_RELEASE", "dataset", "cls")
TRAIN_AUG = 10582  # SBD's and VOC's masks, less those of val.
PALETTE = tuple(voc_colour(i) for i in range(len(CLASS_NAMES)))


def find_root(path: pathlib.Path) -> pathlib.Path:
    """The VOC2012 folder: the path itself or VOCdevkit/VOC2012 below it."""
    below = path / "VOCdevkit" / "VOC2012"
    return below if below.is_dir() else path


def open_set(root: str, splits_dir: str, split: str) -> DataSet:
    """Labelled and unlabelled part of train, and val.

    The root is a folder of VOC's layout, or one that data/prepare wrote.

    Raises:
      FileNotFoundError: the root, a list or a listed file is absent.
      ValueError: a list is malformed.
    """
    path = check_root(root, HOW_TO_GET)
    if array_record.is_set(path):
        lists = split_lists(path, splits_dir, split)
        return packed_sets.open_lists(path, lists)
    return open_lists(
        find_root(path),
        split_lists(path, splits_dir, split),
        CLASS_NAMES,
        PALETTE,
        locate=locate,
        how_to_get=HOW_TO_GET,
    )


def locate(root: pathlib.Path, entries: list[Entry]) -> list[Entry]:
    """Looks for a mask in the other mask folder when it is not in its own."""
    plain, augmented = (f"{folder}/" for folder in MASK_FOLDERS)
    gone = absent(root, [mask for _, mask in entries if mask])
    others = {}
    for mask in gone:
        if mask.startswith(plain):
            others[mask] = augmented + mask.removeprefix(plain)
        elif mask.startswith(augmented):
            others[mask] = plain + mask.removeprefix(augmented)
    lost = absent(root, others.values())
    return [
        (image, others[mask])
        if mask in others and others[mask] not in lost
        else (image, mask)
        for image, mask in entries
    ]


def own_lists(root: pathlib.Path) -> tuple[list[Entry], list[Entry]]:
    """The data set's own train list (with SBD where listed) and val list.

    Raises:
      FileNotFoundError: a list is absent.
    """
    root = find_root(root)
    folder = root / LISTS_FOLDER
    train = [folder / name for name in TRAIN_LISTS]
    found = [path for path in train if path.is_file()]
    if not found:
        raise FileNotFoundError(
            f"None of {', '.join(TRAIN_LISTS)} is in {folder}: {HOW_TO_GET}."
        )
    return _ids(root, found[0]), _ids(root, folder / "val.txt")


def _ids(root: pathlib.Path, path: pathlib.Path) -> list[Entry]:
    """The ids on the lines of a list, or in the path that begins each line."""
    if not path.is_file():
        raise FileNotFoundError(f"No list at {path}: {HOW_TO_GET}.")
    lines = read_lines(path)
    names = [pathlib.Path(line.split()[0]).stem for line in lines]
    entries: list[Entry] = [
        (f"JPEGImages/{name}.jpg", f"SegmentationClass/{name}.png")
        for name in names
    ]
    return locate(root, entries)


def find_missing(root: str, splits_dir: str, split: str) -> list[Missing]:
    """Images, lists and SBD's masks, as far as they are not there."""
    path = pathlib.Path(root).expanduser()
    if path.is_dir() and array_record.is_set(path):
        return find_missing_lists(path, splits_dir, split)
    found, inside = [], find_root(path)
    if not (inside / "JPEGImages").is_dir():
        inside = path / "VOCdevkit" / "VOC2012"
        found.append(
            Missing(
                f"PASCAL VOC 2012's images and masks at {root}",
                f"mkdir -p {root} && curl -L {ARCHIVE} | tar -x -C {root}",
            )
        )
    if _lacks_augmented(inside, split_lists(path, splits_dir, split)[0], split):
        found.append(
            Missing(
                f"SBD's masks at {inside / MASK_FOLDERS[1]}",
                f"{call_of('prepare')} voc --source {root}   # with SBD's "
                f"benchmark.tgz in it, from {SBD_PAGE}",
            )
        )
    return [*found, *find_missing_lists(path, splits_dir, split)]


def _lacks_augmented(
    inside: pathlib.Path, labelled: pathlib.Path, split: str
) -> bool:
    """Whether the labelled images of a split need masks that are not there."""
    if (inside / MASK_FOLDERS[1]).is_dir():
        return False
    if not labelled.is_file() or not inside.is_dir():
        # The published splits with a number of images have VOC's own masks.
        return not split.isdigit()
    entries = locate(inside, read_list(labelled))
    return bool(absent(inside, [mask for _, mask in entries if mask]))


def open_contents(source: pathlib.Path) -> Contents:
    """Train with SBD's masks where these are, and val, to be packed."""
    root = find_root(source)
    train, val = own_lists(root)
    splits = {"train": _with_augmented(root, train, val), "val": val}
    sources = {
        name: FileSource(
            root, labelled_entries(root, entries, root), len(CLASS_NAMES)
        )
        for name, entries in splits.items()
    }
    return Contents(root, sources, CLASS_NAMES, PALETTE)


def _with_augmented(
    root: pathlib.Path, train: list[Entry], val: list[Entry]
) -> list[Entry]:
    """Train and every image that SBD's masks add to it, in order."""
    known = {image for image, _ in [*train, *val]}
    augmented = MASK_FOLDERS[1]
    added = [
        (f"JPEGImages/{path.stem}.jpg", f"{augmented}/{path.name}")
        for path in (root / augmented).glob("*.png")
    ]
    return sorted([*train, *(e for e in added if e[0] not in known)])


def complete(source: pathlib.Path) -> tuple[str, ...]:
    """Makes SegmentationClassAug, see `Download.complete`.

    From SBD's masks where its archive was unpacked, or by a link to the
    finished folder where that lies beside VOCdevkit.

    Raises:
      FileNotFoundError, ValueError: see `make_train_aug`.
    """
    root, augmented = find_root(source), MASK_FOLDERS[1]
    beside, link = source / augmented, root / augmented
    if root != source and beside.is_dir() and not link.exists():
        link.symlink_to(beside.resolve())
    if (source / SBD).is_dir():
        val = root / LISTS_FOLDER / "val.txt"
        if not val.is_file():
            raise FileNotFoundError(f"No list at {val}: {HOW_TO_GET}.")
        make_train_aug(root, source / SBD, PALETTE, TRAIN_AUG)
    elif not link.is_dir():
        return (
            f"There is no {augmented}, so that only VOC's own train images "
            f"have masks: {HOW_TO_GET}.",
        )
    return ()


DOWNLOAD = Download(
    how_to_get=HOW_TO_GET,
    archives={
        "VOCtrainval_11-May-2012.tar": (
            "/JPEGImages/",
            "/SegmentationClass/",
            "/ImageSets/Segmentation/",
        ),
        "SegmentationClassAug.zip": ("SegmentationClassAug/",),
        "benchmark.tgz": (f"{SBD.as_posix()}/",),
    },
    images={"train": TRAIN_AUG, "val": 1449},
    complete=complete,
)
KIND = DataSetKind(
    open=open_set,
    own_lists=OwnLists(
        f"{LISTS_FOLDER.as_posix()} (VOC)",
        lambda root: (find_root(root) / LISTS_FOLDER).is_dir(),
        own_lists,
    ),
    download=DOWNLOAD,
    open_contents=open_contents,
    find_missing=find_missing,
)
