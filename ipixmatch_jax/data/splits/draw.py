"""Gets split lists: `python -m ipixmatch_jax.data.splits download | make`."""

import fractions
import pathlib

import numpy as np

from ipixmatch_jax.data.files.split_list import Entry
from ipixmatch_jax.data.hold_out import share_count
from ipixmatch_jax.data.registry import DATASETS
from ipixmatch_jax.utils.atomic import write_file


def draw_splits(
    root: pathlib.Path,
    labelled: fractions.Fraction,
    seed: int,
    out: pathlib.Path,
) -> tuple[int, int]:
    """Draws a labelled share of the train list of a known data set's root.

    The share is rounded to the nearest whole number, halves up, and is at
    least 1. With one seed the smaller share is a subset of the larger. Writes
    `<n>_<m>/labeled.txt`, `<n>_<m>/unlabeled.txt` and `val.txt` below `out`.
    Returns how many images are labelled and how many are not.

    Raises:
      FileNotFoundError: the root or its own lists are absent.
      ValueError: a share out of range, or one that leaves nothing unlabelled.
    """
    if not 0 < labelled < 1:
        raise ValueError(
            f"--labelled is {labelled}; it is a fraction between 0 and 1 "
            "such as 1/8."
        )
    train, val = own_lists(root)
    count = share_count(len(train), labelled)
    if count >= len(train):
        raise ValueError(
            f"{labelled} of {len(train)} images leaves none unlabelled."
        )
    some, rest = _drawn(train, count, seed)
    folder = out / split_name(labelled)
    _write_list(folder / "labeled.txt", some)
    _write_list(folder / "unlabeled.txt", rest)
    _write_list(out / "val.txt", val)
    return len(some), len(rest)


def split_name(labelled: fractions.Fraction) -> str:
    """The name of a share's folder, such as "1_8" of 1/8."""
    return f"{labelled.numerator}_{labelled.denominator}"


def _drawn(
    entries: list[Entry], count: int, seed: int
) -> tuple[list[Entry], list[Entry]]:
    """The first `count` of a seed's permutation, and the rest; in order."""
    order = np.random.default_rng(seed).permutation(len(entries)).tolist()
    return (
        [entries[i] for i in sorted(order[:count])],
        [entries[i] for i in sorted(order[count:])],
    )


def layouts() -> list[str]:
    """What tells the root of each data set that brings its own lists."""
    kinds = DATASETS.values()
    return [kind.own_lists.layout for kind in kinds if kind.own_lists]


def own_lists(root: pathlib.Path) -> tuple[list[Entry], list[Entry]]:
    """The train and the val list of a data set that brings its own.

    Raises:
      FileNotFoundError: the root has none of the `layouts`.
    """
    for kind in DATASETS.values():
        if kind.own_lists and kind.own_lists.found(root):
            return kind.own_lists.read(root)
    *first, last = layouts()
    raise FileNotFoundError(
        f"{root} has no {', '.join(first)} or {last} to draw from."
    )


def _write_list(path: pathlib.Path, entries: list[Entry]) -> None:
    lines = [f"{image} {mask}\n" for image, mask in entries]
    write_file(path, "".join(lines).encode())
