"""The one rule by which images are held out for val, or labelled first."""

import fractions
import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar

from ipixmatch_jax.utils.file_names import name_bytes

Entry = TypeVar("Entry", bound=tuple)
Share = float | fractions.Fraction


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
    share: Share,
    where: str,
    name: Callable[[Entry], str] = lambda entry: entry[0],
) -> tuple[list[Entry], list[Entry]]:
    """Splits entries: the rest in the given order, and those held out, sorted.

    The first of the `ranked` images are held out. The number is
    `share_count`, and at least one image stays for training.

    Args:
      labelled: the entries of labelled images.
      share: of them that is held out, between 0 and 1.
      where: the folder or list that they come from, for messages.
      name: what the order is computed from; by default the image's path.

    Raises:
      ValueError: fewer than two labelled images, or a share out of range.
    """
    if not 0 < share < 1:
        raise ValueError(
            f"config.data.holdout={share} must lie between 0 and 1: it is "
            "the share of the labelled images that val gets."
        )
    if len(labelled) < 2:
        raise ValueError(
            f"{where} has {len(labelled)} labelled image, and one more is "
            "needed to score on: draw a second mask, or add val/images and "
            "val/masks."
        )
    count = min(share_count(len(labelled), share), len(labelled) - 1)
    held = set(ranked(labelled, name)[:count])
    return [entry for entry in labelled if entry not in held], sorted(held)
