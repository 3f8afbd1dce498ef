"""The one rule by which images are held out for val, or labelled first."""

import fractions
import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from ipixmatch_jax.data.balanced_folds import balance_folds
from ipixmatch_jax.utils.file_names import name_bytes

Entry = TypeVar("Entry", bound=tuple)
Share = float | fractions.Fraction


class HoldOut(NamedTuple):
    """How many labelled images go to val if the data set has no val.

    Attributes:
      share: of them, between 0 and 1; unused with folds.
      folds: how many parts of nearly equal size they are split into, of which
        val gets one; 0: val gets the share.
      fold: the part that val gets, from 0.
    """

    share: Share = 0.2
    folds: int = 0
    fold: int = 0


def check_folds(rule: HoldOut) -> None:
    """Raises ValueError if no such fold exists for any number of images."""
    if rule.folds == 1:
        raise ValueError(
            "config.data.folds=1 leaves no image to train on: set it to 2 or "
            "more, or to 0 for a hold-out without folds."
        )
    if rule.fold and not rule.folds:
        raise ValueError(
            f"config.data.fold={rule.fold} needs the number of folds: add "
            "--config.data.folds=5 or another number."
        )
    if rule.fold and rule.fold >= rule.folds:
        raise ValueError(
            f"config.data.fold={rule.fold}, but the folds of "
            f"config.data.folds={rule.folds} are 0 to {rule.folds - 1}."
        )


def refuse_folds(rule: HoldOut, where: str) -> None:
    """Refuses folds of a data set that has a val of its own.

    Args:
      rule: of the config.
      where: the folder or list of the data set.

    Raises:
      ValueError: folds are asked for.
    """
    if rule.folds:
        raise ValueError(
            f"config.data.folds={rule.folds} scores each labelled image once, "
            f"and {where} has a val of its own: set it to 0 to score on that "
            "val, or take that val away to score on folds."
        )


def share_count(total: int, share: Share) -> int:
    """How many of `total` a share is: nearest whole, halves up, at least 1."""
    return max(1, int(total * share + fractions.Fraction(1, 2)))


def ranked(
    entries: Sequence[Entry], name: Callable[[Entry], str]
) -> list[Entry]:
    """Entries in the order of the SHA-256 of their names.

    The order is the same in every run. Entries that are added later do not
    change the order of the others.
    """
    return sorted(
        entries, key=lambda e: hashlib.sha256(name_bytes(name(e))).digest()
    )


def hold_out(
    labelled: Sequence[Entry],
    rule: HoldOut,
    where: str,
    name: Callable[[Entry], str] = lambda entry: entry[0],
    classes: Callable[[], Callable[[Entry], frozenset[int]]] | None = None,
) -> tuple[list[Entry], list[Entry]]:
    """Splits entries: the rest in the given order, and those held out, sorted.

    Folds are balanced by class, see balanced_folds.py, or where the classes
    are not known the `ranked` images are cut into them, and the first folds
    hold one image more where the number does not divide. Without folds the
    first of the `ranked` are held out, `share_count` of them, and at least one
    image stays for training.

    Args:
      labelled: the entries of labelled images.
      rule: how many of them are held out, and which.
      where: the folder or list that they come from, for messages.
      name: what the order is computed from; by default the image's path.
      classes: gives a function from an entry to the ids of the classes that
        the image shows; called where there are folds.

    Raises:
      ValueError: fewer than two labelled images, or fewer than folds; or a
        share or a fold out of range.
    """
    check_folds(rule)
    if not rule.folds and not 0 < rule.share < 1:
        raise ValueError(
            f"config.data.holdout={rule.share} must lie between 0 and 1: it is "
            "the share of the labelled images that val gets."
        )
    if len(labelled) < 2:
        raise ValueError(
            f"{where} has {len(labelled)} labelled image, and one more is "
            "needed to score on: draw a second mask, or add val/images and "
            "val/masks."
        )
    if rule.folds > len(labelled):
        raise ValueError(
            f"config.data.folds={rule.folds}, but {where} has only "
            f"{len(labelled)} labelled images: set it to at most that."
        )
    order = ranked(labelled, name)
    if rule.folds and classes is not None:
        folds = balance_folds(list(map(classes(), order)), rule.folds)
        held = {
            entry
            for entry, fold in zip(order, folds, strict=True)
            if fold == rule.fold
        }
    else:
        held = set(order[_held_places(len(order), rule)])
    return [entry for entry in labelled if entry not in held], sorted(held)


def _held_places(count: int, rule: HoldOut) -> slice:
    """The places of the held-out images among `count` ranked ones."""
    if not rule.folds:
        return slice(min(share_count(count, rule.share), count - 1))
    each, larger = divmod(count, rule.folds)
    start = each * rule.fold + min(rule.fold, larger)
    return slice(start, start + each + (rule.fold < larger))
