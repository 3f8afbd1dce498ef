"""Reads metrics.jsonl: values over steps, the best score, the speed."""

import itertools
import json
import math
import pathlib
import statistics
from typing import Any, NamedTuple

_MIOU = "val_miou_"
_IOU = "val_iou_"
_FOREGROUND = "val_foreground_iou_"
_BY_CLASS = "_by_class"
# What the pages draw as numbers, by the beginnings of names.
_NUMBERS = (
    *("loss", _MIOU, _FOREGROUND, "confident_share", "inter_pixel_share"),
    *("learning_rate", "grad_norm", "steps_per_second", "images_per_second"),
    "skipped",
)
_LOSSES = ("loss", "loss_x", "loss_u", "loss_ip")

_MOST = 2**53  # A run writes no larger whole number.

Series = dict[int, Any]  # step -> number, or list of numbers


class Best(NamedTuple):
    """The best evaluation on val so far.

    Attributes:
      step: steps done.
      network: the better network at that step.
      miou: percent.
    """

    step: int
    network: str
    miou: float


class Timing(NamedTuple):
    """How long training took, without evaluations and saves.

    Attributes:
      seconds: of all logged steps, with compilation.
      steps_per_second: median over the log lines.
      images_per_second: median, of labelled and unlabelled images.
    """

    seconds: float
    steps_per_second: float
    images_per_second: float


class History(NamedTuple):
    """The values of metrics.jsonl by name.

    Attributes:
      series: name -> step -> number, or list of numbers.
      notes: a sentence where lines were left out.
    """

    series: dict[str, Series]
    notes: tuple[str, ...] = ()

    @property
    def last_step(self) -> int:
        """The last step of any line; 0 without one."""
        return max((max(s) for s in self.series.values()), default=0)

    @property
    def networks(self) -> list[str]:
        """The networks that were evaluated, the student first."""
        return [
            name.removeprefix(_MIOU)
            for name in self.series
            if name.startswith(_MIOU)
        ]

    @property
    def losses(self) -> list[str]:
        """The names of the losses: the total, its terms, their parts."""
        names = sorted(
            n for n in self.series if n.startswith("loss") and not _is_list(n)
        )
        first = [name for name in _LOSSES if name in names]
        return first + [name for name in names if name not in _LOSSES]

    def miou(self, network: str) -> Series:
        """mIoU on val in percent."""
        return self.series[_MIOU + network]

    def iou(self, network: str, step: int) -> list[float]:
        """IoU on val per class in percent; empty where it was not logged."""
        return self.series.get(_IOU + network, {}).get(step, [])

    def foreground(self, network: str) -> Series:
        """Mean IoU on val without the background; {} where there is none."""
        return self.series.get(_FOREGROUND + network, {})

    def best(self) -> Best | None:
        """The first of the highest scores; None before any evaluation."""
        found = [
            Best(step, network, value)
            for network in self.networks
            for step, value in self.miou(network).items()
            if math.isfinite(value)
        ]
        return max(found, key=lambda b: (b.miou, -b.step), default=None)

    def timing(self) -> Timing | None:
        """From the speeds of the log lines; None before the first."""
        speeds = self.series.get("steps_per_second", {})
        speeds = {s: v for s, v in speeds.items() if v > 0}
        if not speeds:
            return None
        steps = [0, *speeds]
        seconds = sum(
            (step - before) / speeds[step]
            for before, step in itertools.pairwise(steps)
        )
        images = self.series.get("images_per_second", {0: 0.0})
        return Timing(
            seconds,
            statistics.median(speeds.values()),
            statistics.median(images.values()),
        )


def read_metrics(path: pathlib.Path) -> History:
    """Reads a metrics.jsonl, to which a run may still be writing.

    If a name has two values at one step, the later one counts. A last line
    that is not finished is ignored; the notes name other lines that cannot
    be read. A missing file counts as an empty one.
    """
    if not path.exists():
        return History({}, (f"{path.name} is missing: nothing was logged.",))
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    series: dict[str, Series] = {}
    bad = []
    for number, line in enumerate(whole.split(b"\n"), 1):
        values = _parse(line)
        if values is None:
            if line.strip():
                bad.append(number)
            continue
        step = values.pop("step")
        for name, value in values.items():
            known = next(iter(series.get(name, {}).values()), None)
            if _fits(name, value, known):
                series.setdefault(name, {})[step] = value
            elif _is_list(name) or name.startswith(_NUMBERS):
                bad.append(number)
                break
    notes: tuple[str, ...] = ()
    if bad:
        where = ", ".join(map(str, bad[:5])) + (", ..." if bad[5:] else "")
        notes = (f"{path.name}: unreadable and left out: line {where}.",)
    ordered = {name: dict(sorted(s.items())) for name, s in series.items()}
    return History(ordered, notes)


def _parse(line: bytes) -> dict | None:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):  # of bytes that are not UTF-8 too
        return None
    if not isinstance(values, dict):
        return None
    step = values.get("step")
    return values if type(step) is int and 0 <= step <= _MOST else None


def _fits(name: str, value: Any, known: Any) -> bool:
    """Whether a value can be drawn with the others of its name.

    Args:
      name: of the series.
      value: of one line.
      known: a value of an earlier line; None: there is none.
    """
    if not isinstance(value, list):
        return _is_number(value) and not _is_list(name)
    if name.startswith(_NUMBERS) and not _is_list(name):
        return False
    same = known is None or len(value) == len(known)
    return same and all(map(_is_number, value))


def _is_list(name: str) -> bool:
    """Whether a series has a number per class."""
    return name.startswith(_IOU) or name.endswith(_BY_CLASS)


def _is_number(value: Any) -> bool:
    if type(value) is int:
        return abs(value) <= _MOST
    return type(value) is float
