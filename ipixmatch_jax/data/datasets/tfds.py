"""Any data set of TFDS with an image and a mask, as ArrayRecord files."""

import fractions
import pathlib

from ipixmatch_jax.data.data_set_kind import DataSetKind
from ipixmatch_jax.data.files import class_list, masks
from ipixmatch_jax.data.files.mask_contents import Content, all_contents
from ipixmatch_jax.data.files.mask_reading import choose_reading
from ipixmatch_jax.data.files.reading import Reading
from ipixmatch_jax.data.files.split_list import read_lines
from ipixmatch_jax.data.hold_out import (
    HoldOut,
    hold_out,
    ranked,
    refuse_folds,
    share_count,
)
from ipixmatch_jax.data.records import array_record
from ipixmatch_jax.data.records.array_record import Entry
from ipixmatch_jax.data.source import DataSet
from ipixmatch_jax.data.value_range import resolve_range

# The meaning of mask values for sets that do not describe it.
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


def open_set(
    root: str,
    splits_dir: str,
    split: str,
    holdout: float = 0.2,
    tfds: str = "",
    image_feature: str = "",
    mask_feature: str = "",
    channels: int = 3,
    range: str = "",  # the field's name
    folds: int = 0,
    fold: int = 0,
) -> DataSet:
    """Any TFDS data set with an image and a mask, prepared as array_record.

    Args:
      root: TFDS's data_dir.
      splits_dir: "", because the split draws its own lists.
      split: the labelled share of train, such as "1_8"; smaller shares are
        subsets of larger ones. "" labels all of it and takes the split
        `unlabelled` or `unsupervised`, if any, without labels.
      holdout: the share of train that val gets where there is no val split.
      tfds: the name, such as oxford_iiit_pet, name/config or name:4.0.0.
      image_feature: "" finds it.
      mask_feature: "" finds it.
      channels: of the images, see decode.read_image.
      range: of values, see data/value_range.py.
      folds: 0, or how many parts train is split into instead of a share.
      fold: the part that val gets, from 0; see data/hold_out.py.

    Raises:
      FileNotFoundError: it is not prepared, or files are absent.
      ValueError: features, classes or shares do not fit, or `splits_dir` is
        given.
    """
    if splits_dir:
        raise ValueError(
            f"config.data.splits_dir={splits_dir}: tfds reads no lists. Leave "
            "it out, and let config.data.split name the labelled share, such "
            "as 1_8."
        )
    path = _folder(pathlib.Path(root or "~/tensorflow_datasets"), tfds)
    found = array_record.read_set(path, image_feature, mask_feature)
    rule = HoldOut(holdout, folds, fold)
    train, unlabelled, val, test = _parts(found, split, rule)
    reading = _reading(found, [*train, *val, *test], tfds)
    classes = reading.classes

    training = [
        array_record.RecordSource(found, entries, None)
        for entries in (train, unlabelled)
    ]
    scale = resolve_range(range, training)

    def source(entries: list[Entry], how: Reading | None):
        return array_record.RecordSource(
            found, entries, how, channels, scale.range
        )

    return DataSet(
        labelled=source(train, reading),
        unlabelled=source(unlabelled, None),
        val=source(val, reading),
        test=source(test, reading) if test else None,
        class_names=classes.names,
        palette=classes.palette,
        notes=(reading.said, *scale.notes),
        value_range=scale.text,
        held_out=not _first(found, _VAL),
    )


def _reading(
    found: array_record.RecordSet, entries: list[Entry], name: str
) -> Reading:
    """How the masks of some records are read; every mask is looked at."""
    source = array_record.RecordSource(found, entries, None)
    contents = all_contents(source.mask_content, len(source))
    classes = _classes(found.folder, name, found.mask, contents)
    return choose_reading(contents, classes)


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
    found: array_record.RecordSet, split: str, rule: HoldOut
) -> tuple[list[Entry], ...]:
    """Labelled, unlabelled, val and test."""
    if "train" not in found.lengths:
        raise ValueError(
            f"{found.folder} has no split train; it has "
            f"{', '.join(found.lengths)}."
        )
    train, val = found.entries("train"), _first(found, _VAL)
    if val:
        refuse_folds(rule, str(found.folder))
    else:
        train, val = hold_out(train, rule, str(found.folder), _name)
    train = ranked(train, _name)
    count = share_count(len(train), _share(split)) if split else len(train)
    rest = sorted(train[count:]) or _first(found, _UNLABELLED)
    return sorted(train[:count]), rest, val, _first(found, ("test",))


def _name(entry: Entry) -> str:
    return f"{entry[0]}/{entry[1]}"


def _share(split: str) -> fractions.Fraction:
    above, _, below = split.partition("_")
    if above.isdigit() and below.isdigit() and 0 < int(above) < int(below):
        return fractions.Fraction(int(above), int(below))
    raise ValueError(
        f"config.data.split={split!r} is not the labelled share of train; it "
        'reads like 1_8, or is "" for all of it.'
    )


def _first(
    found: array_record.RecordSet, splits: tuple[str, ...]
) -> list[Entry]:
    """All records of the first split that exists."""
    there = [split for split in splits if split in found.lengths]
    return found.entries(there[0]) if there else []


def _classes(
    path: pathlib.Path, name: str, mask: str, contents: list[Content]
) -> class_list.ClassList:
    """From a class list in the set's folder, its labels, or its masks."""
    written = class_list.find_class_list(path)
    if written is not None:
        return class_list.read_class_list(written)
    base = name.partition(":")[0]
    if base in KNOWN:
        return class_list.without_colours(list(KNOWN[base]), base)
    labels = path / f"{mask}.labels.txt"  # as TFDS keeps names of labels
    if labels.is_file():
        names = read_lines(labels)
        colours = [class_list.voc_colour(k) for k in range(len(names))]
        return class_list.without_colours(
            list(zip(names, colours, strict=True)), str(labels)
        )
    return masks.classes_of_ids(contents, path)


KIND = DataSetKind(
    open=open_set,
    options=(
        "holdout",
        "folds",
        "fold",
        "channels",
        "range",
        "tfds",
        "image_feature",
        "mask_feature",
    ),
)
