"""Sentences about what a check of a data set found."""

import collections
import itertools
import logging
from typing import NamedTuple

import numpy as np

from ipixmatch_jax.data.source import IGNORE
from ipixmatch_jax.utils.counts import count_of

LOGGER = logging.getLogger(__name__)

Size = tuple[int, int]
LARGE = 8000  # Pixels along a side; larger images get a note.


class Part(NamedTuple):
    """What was seen of one source.

    Attributes:
      names: of all images, looked at or not.
      looked_at: how many were.
      sizes: how many images have each (height, width).
      counts: int [masks, 256], pixels per id in each mask.
      bad: one sentence per image that cannot be used.
      large: name and size of those with a side above LARGE.
    """

    names: tuple[str, ...]
    looked_at: int
    sizes: collections.Counter
    counts: np.ndarray
    bad: tuple[str, ...]
    large: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether every image was looked at."""
        return self.looked_at == len(self.names)


class Finding(NamedTuple):
    """One thing to look at; fatal if it keeps training from starting."""

    fatal: bool
    text: str


def describe_parts(parts: dict[str, Part]) -> list[str]:
    """A line on each part: how many images, and their sizes."""
    lines = []
    for name, part in parts.items():
        seen = "" if part.whole else f", {part.looked_at} of them looked at"
        lines.append(
            f"{name}: {count_of(len(part.names), 'image')}{seen}"
            f"{_sizes(part.sizes)}"
        )
    return lines


def all_findings(
    parts: dict[str, Part],
    *,
    crop_size: int,
    uses_unlabelled: bool,
    on_error: str,
) -> list[Finding]:
    """Everything that is wrong or unexpected; arguments as of `check`."""
    found = []
    for name, part in parts.items():
        used = uses_unlabelled or name != "unlabelled"
        skips = name == "unlabelled" or (
            name == "labelled" and on_error == "skip"
        )
        found += _usable(name, part, used, skips)
        found += _repeated(name, part)
    found += _labels(parts["labelled"])
    found += _overlaps(parts)
    small = sum(
        number
        for name in ("labelled", "unlabelled")
        for size, number in parts[name].sizes.items()
        if max(size) < crop_size
    )
    if small:
        text = (
            f"{small} of the training images looked at are smaller than "
            f"data.crop_size={crop_size} on both sides; crops of them are "
            "padded, and nothing is learned from padding. A smaller crop is "
            "faster."
        )
        found.append(Finding(False, text))
    return found + _large(parts)


def _large(parts: dict[str, Part]) -> list[Finding]:
    """Warns of images with very long sides, and says what to do."""
    found = []
    for name, part in parts.items():
        if not part.large:
            continue
        text = (
            f"{len(part.large)} of the {name} images looked at are longer "
            f"than {LARGE:,} pixels, the first {part.large[0]}. "
        )
        if name in ("labelled", "unlabelled"):
            text += (
                "They can be used, but each is decoded whole for every crop "
                "of it: tiled TIFFs (docs/satellites.md) or smaller images "
                "train faster."
            )
        else:
            text += (
                "Scored whole they may not fit into memory: add "
                "--config.evaluate.mode=sliding_window, or cut them into "
                "tiles."
            )
        found.append(Finding(False, text))
    return found


def _sizes(sizes: collections.Counter) -> str:
    if not sizes:
        return ""
    (height, width), number = sizes.most_common(1)[0]
    if len(sizes) == 1:
        return f", {width}x{height} pixels"
    small = min(sizes, key=lambda size: size[0] * size[1])
    large = max(sizes, key=lambda size: size[0] * size[1])
    return (
        f", {small[1]}x{small[0]} to {large[1]}x{large[0]} pixels, most often "
        f"{width}x{height} ({number})"
    )


def _usable(name: str, part: Part, used: bool, skips: bool) -> list[Finding]:
    """Findings on a part that has bad files or is empty."""
    if not part.names:
        ways = {
            "unlabelled": "add photographs without masks, or train on the "
            "labelled ones alone with --config.method=supervised "
            "--config.inter_pixel.weight=0",
            "val": "list some labelled images that are not trained on",
        }
        way = ways.get(name, "list images with masks")
        return [Finding(used, f"There are no {name} images: {way}.")]
    bad = len(part.bad)
    if not bad:
        return []
    what = f"{bad} of the {part.looked_at} {name} images looked at cannot be"
    if bad == part.looked_at:
        fatal, way = used, "Is data.root the right folder?"
    elif skips:
        fatal = False
        way = "Training skips and counts them; mend them or take them out."
    else:
        fatal, way = True, "Mend them or take them out of the list"
        more = ", or skip them with --config.data.on_error=skip."
        way += more if name == "labelled" else "."
    return [Finding(fatal, f"{what} used. {way} The first: {part.bad[0]}")]


def _repeated(name: str, part: Part) -> list[Finding]:
    twice = [n for n, k in collections.Counter(part.names).items() if k > 1]
    if not twice:
        return []
    count = "counts" if len(twice) == 1 else "count"
    text = (
        f"The {name} list repeats {count_of(len(twice), 'image')}, which then "
        f"{count} more than others: {_first(twice)}. Keep one line of each."
    )
    return [Finding(False, text)]


def _labels(part: Part) -> list[Finding]:
    """Masks without a label; reported if every mask was looked at."""
    if not part.whole or not len(part.counts):
        return []
    blank = int((~part.counts[:, :IGNORE].any(1)).sum())
    if blank == len(part.counts):
        text = (
            f"Every pixel of every labelled mask is {IGNORE}, so there is "
            "nothing to learn from: label some of them."
        )
        return [Finding(True, text)]
    if not blank:
        return []
    text = (
        f"{blank} labelled masks hold no label at all, only {IGNORE}; leave "
        "them to the unlabelled list."
    )
    return [Finding(False, text)]


def _overlaps(parts: dict[str, Part]) -> list[Finding]:
    found = []
    for one, other in itertools.combinations(parts, 2):
        both = sorted(set(parts[one].names) & set(parts[other].names))
        if both:
            found.append(_overlap(one, other, len(both), _first(both)))
    return found


def describe_copies(groups: list[list[tuple[str, str]]]) -> list[Finding]:
    """Sentences on groups of images, (part, name), that are copies."""
    pairs: dict[tuple[str, str], list[str]] = collections.defaultdict(list)
    for group in groups:
        for (one, name), (other, twin) in itertools.combinations(group, 2):
            if name != twin:  # `_overlaps` has found the same name.
                pairs[one, other].append(f"{name} and {twin}")
    return [
        _overlap(one, other, len(same), _first(same))
        for (one, other), same in pairs.items()
    ]


def _overlap(one: str, other: str, count: int, names: str) -> Finding:
    """Images of two parts that are the same; fatal if training sees val."""
    images, be = count_of(count, "image"), "is" if count == 1 else "are"
    if one == other:
        pairs = count_of(count, "pair")
        text = f"{one} holds {pairs} of copies, which count several times"
        return Finding(False, f"{text}: {names}.")
    text = f"{images} {be} both in {one} and in {other}"
    trained = {"labelled", "unlabelled"}
    if {one, other} == trained:
        text += f", and {be} trained on in both ways"
    elif {one, other} & trained:
        text += (
            ", so scores are of images that training saw: take them out of one"
        )
    else:
        text += ", so the two scores are not independent"
    return Finding(len({one, other} & trained) == 1, f"{text}: {names}.")


def _first(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
