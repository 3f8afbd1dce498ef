"""Draws the labelled share of a data set's own train list."""

import fractions
import pathlib

import numpy as np

from ipixmatch_jax.data.files.split_list import Entry, write_list
from ipixmatch_jax.data.hold_out import share_count
from ipixmatch_jax.data.splits.own_lists import read_own_lists


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
      ValueError: the share is out of range, or leaves nothing unlabelled.
    """
    if not 0 < labelled < 1:
        raise ValueError(
            f"--labelled is {labelled}; it is a fraction between 0 and 1 "
            "such as 1/8."
        )
    train, val, _ = read_own_lists(root)
    count = share_count(len(train), labelled)
    if count >= len(train):
        raise ValueError(
            f"{labelled} of {len(train)} images leaves none unlabelled."
        )
    some, rest = _drawn(train, count, seed)
    folder = out / split_name(labelled)
    write_list(folder / "labeled.txt", some)
    write_list(folder / "unlabeled.txt", rest)
    write_list(out / "val.txt", val)
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
