"""Data sets from ArrayRecord: what data/prepare.py wrote, or any of TFDS."""

import fractions
import hashlib
import pathlib

from ipixmatch_jax.data.files import class_list
from ipixmatch_jax.data.files import masks as folder_masks
from ipixmatch_jax.data.files.split_list import read_list
from ipixmatch_jax.data.records import array_record
from ipixmatch_jax.data.source import DataSet

Entry = tuple[str, int]  # (split, position)

# What the values of masks mean where the set itself does not say.
KNOWN = {
    # Trimaps; its guide: foreground, background, not classified (the edge).
    "oxford_iiit_pet": (
        ("ignore", (0, 0, 0)),
        ("pet", (230, 80, 70)),
        ("background", (70, 150, 230)),
        ("void", (255, 255, 255)),
    ),
}
_UNLABELLED = ("unlabelled", "unlabeled", "unsupervised")
_VAL = ("val", "validation")


def open_parts(path: pathlib.Path, channels: int = 3) -> DataSet:
    """What `prepare folder` wrote, with the parts that it had.

    Args:
      path: the set's folder.
      channels: of the images, see decode.read_image.

    Raises:
      FileNotFoundError, ValueError: see `records.read`.
    """
    found = array_record.read(path, "image", "mask")
    classes = class_list.read(path / "classes.json")
    reading = _ids(classes)

    def source(split: str, how: folder_masks.Reading | None = reading):
        return array_record.RecordSource(
            found, _all(found, split), how, channels
        )

    return DataSet(
        labelled=source("train"),
        unlabelled=source("unlabelled", None),
        val=source("val"),
        test=source("test") if "test" in found.lengths else None,
        class_names=classes.names,
        palette=classes.palette,
    )


def open_lists(path: pathlib.Path, lists: tuple[pathlib.Path, ...]) -> DataSet:
    """What `prepare voc` or `prepare cityscapes` wrote, under split lists.

    Args:
      path: the set's folder.
      lists: of the labelled, the unlabelled and the val images; the images'
        names count, and the masks are those that were packed.

    Raises:
      FileNotFoundError: a list is absent, or names images that are not there.
      ValueError: see `records.read`.
    """
    found = array_record.read(path, "image", "mask")
    classes = class_list.read(path / "classes.json")
    places = {
        name: (split, i)
        for split in found.lengths
        for i, name in enumerate(found.names(split))
    }

    def source(where: pathlib.Path, reading: folder_masks.Reading | None):
        names = [image for image, _ in read_list(where)]
        gone = [name for name in names if name not in places]
        if gone:
            raise FileNotFoundError(
                f"{where} names {len(gone)} images that {path} does not hold: "
                f"{', '.join(gone[:3])}{', ...' if len(gone) > 3 else ''}."
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


def open_tfds(
    root: str,
    splits_dir: str,
    split: str,
    holdout: float = 0.2,
    tfds: str = "",
    image_feature: str = "",
    mask_feature: str = "",
    channels: int = 3,
) -> DataSet:
    """Any TFDS data set with an image and a mask, prepared as array_record.

    Args:
      root: TFDS's data_dir.
      splits_dir: unused: the split draws its own lists.
      split: the labelled share of train, such as "1_8"; smaller shares are
        subsets of larger ones. "" labels all of it and takes the split
        `unlabelled` or `unsupervised`, if any, without labels.
      holdout: the share of train that val gets where there is no val split.
      tfds: the name, such as oxford_iiit_pet, name/config or name:4.0.0.
      image_feature: "" finds it.
      mask_feature: "" finds it.
      channels: of the images, see decode.read_image.

    Raises:
      FileNotFoundError: it is not prepared, or files are absent.
      ValueError: features, classes or shares do not fit.
    """
    del splits_dir
    path = _folder(pathlib.Path(root or "~/tensorflow_datasets"), tfds)
    found = array_record.read(path, image_feature, mask_feature)
    train, unlabelled, val, test = _parts(found, split, holdout)
    masks = array_record.RecordSource(found, [*train, *val, *test], None)
    seen = folder_masks.look(masks.look, len(masks))
    classes = _classes(path, tfds, found.mask, seen)
    reading = folder_masks.choose(seen, classes)

    def source(entries: list[Entry], how: folder_masks.Reading | None):
        return array_record.RecordSource(found, entries, how, channels)

    return DataSet(
        labelled=source(train, reading),
        unlabelled=source(unlabelled, None),
        val=source(val, reading),
        test=source(test, reading) if test else None,
        class_names=classes.names,
        palette=classes.palette,
    )


def _folder(root: pathlib.Path, name: str) -> pathlib.Path:
    """The newest version of a TFDS data set below a data_dir."""
    name, _, version = name.partition(":")
    found = (root.expanduser() / name).glob(
        f"{version or '*'}/{array_record.INFO}"
    )
    versions = {_version(path.parent): path.parent for path in found}
    if not name or not versions:
        raise FileNotFoundError(
            f"No TFDS data set {name!r} below {root}: prepare it with `tfds "
            f"build {name or 'NAME'} --file_format=array_record --data_dir "
            f"{root}` (where TensorFlow is installed: TFDS unpacks with it; "
            "reading needs none), or name its data_dir with "
            "--config.data.root."
        )
    return versions[max(versions)]


def _version(path: pathlib.Path) -> tuple[int, ...]:
    return tuple(int(n) for n in path.name.split(".") if n.isdigit())


def _parts(
    found: array_record.RecordSet, split: str, holdout: float
) -> tuple[list[Entry], ...]:
    """Labelled, unlabelled, val and test."""
    if "train" not in found.lengths:
        raise ValueError(
            f"{found.folder} has no split train; it has "
            f"{', '.join(found.lengths)}."
        )
    train = _ranked(_all(found, "train"))
    val = _first(found, _VAL)
    if not val:
        if not 0 < holdout < 1 or len(train) < 2:
            raise ValueError(
                f"config.data.holdout={holdout} of {len(train)} images leaves "
                "nothing to score on: it is a share between 0 and 1."
            )
        count = min(max(1, int(len(train) * holdout + 0.5)), len(train) - 1)
        val, train = sorted(train[:count]), train[count:]
    count = len(train)
    if split:
        count = max(
            1, int(len(train) * _share(split) + fractions.Fraction(1, 2))
        )
    rest = sorted(train[count:]) or _first(found, _UNLABELLED)
    return sorted(train[:count]), rest, val, _first(found, ("test",))


def _share(split: str) -> fractions.Fraction:
    above, _, below = split.partition("_")
    if above.isdigit() and below.isdigit() and 0 < int(above) < int(below):
        return fractions.Fraction(int(above), int(below))
    raise ValueError(
        f"config.data.split={split!r} is not the labelled share of train; it "
        'reads like 1_8, or is "" for all of it.'
    )


def _all(found: array_record.RecordSet, split: str) -> list[Entry]:
    return [(split, i) for i in range(found.lengths.get(split, 0))]


def _first(
    found: array_record.RecordSet, splits: tuple[str, ...]
) -> list[Entry]:
    """All of the first split that there is."""
    there = [split for split in splits if split in found.lengths]
    return _all(found, there[0]) if there else []


def _ranked(entries: list[Entry]) -> list[Entry]:
    """In an order that is the same for every run."""
    return sorted(
        entries,
        key=lambda e: hashlib.sha256(f"{e[0]}/{e[1]}".encode()).digest(),
    )


def _ids(classes: class_list.ClassList) -> folder_masks.Reading:
    return folder_masks.Reading(classes, ("RGB",))


def _classes(
    path: pathlib.Path, name: str, mask: str, seen: list[folder_masks.Seen]
) -> class_list.ClassList:
    """From a class list in the set's folder, its labels, or its masks."""
    written = class_list.find(path)
    if written is not None:
        return class_list.read(written)
    base = name.partition(":")[0]
    if base in KNOWN:
        return class_list.make(list(KNOWN[base]), base)
    labels = path / f"{mask}.labels.txt"  # as TFDS keeps names of labels
    if labels.is_file():
        names = labels.read_text(encoding="utf-8").split("\n")
        names = [name for name in names if name]
        colours = [class_list.voc_colour(k) for k in range(len(names))]
        return class_list.make(
            list(zip(names, colours, strict=True)), str(labels)
        )
    return folder_masks.without_file(seen, path)
