"""Checks the files of a data set, and reports what to fix."""

import collections
import posixpath
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from ipixmatch_jax.cli.commands import call_of
from ipixmatch_jax.data import class_counts
from ipixmatch_jax.data.check import findings
from ipixmatch_jax.data.check.findings import Finding, Part
from ipixmatch_jax.data.files.same_images import find_copies
from ipixmatch_jax.data.files.windowed_image import Windowed
from ipixmatch_jax.data.source import BadFileError, DataSet, Source
from ipixmatch_jax.utils.file_names import printable
from ipixmatch_jax.utils.threads import READERS

# The check before every training: files of each part, and seconds.
SAMPLE = 16
SECONDS = 5.0


class Report(NamedTuple):
    """What a check found.

    Attributes:
      facts: lines on what is there: counts, sizes, classes.
      findings: what to look at, the worst first.
      bad: one sentence per file that cannot be used, by part.
    """

    facts: tuple[str, ...]
    findings: tuple[Finding, ...]
    bad: dict[str, tuple[str, ...]]

    @property
    def fails(self) -> bool:
        """Whether training would fail."""
        return any(finding.fatal for finding in self.findings)


class _Seen(NamedTuple):
    """What was seen of one image.

    Attributes:
      size: (height, width); None if the image is bad.
      counts: pixels per id, int64 [256]; None without a mask.
      bad: why it is bad.
      name: in the data set.
      windowed: whether crops of it are read without the rest.
    """

    size: tuple[int, int] | None
    counts: np.ndarray | None
    bad: str | None
    name: str = ""
    windowed: bool = False


def check_data(
    data: DataSet,
    *,
    crop_size: int,
    uses_unlabelled: bool = True,
    on_error: str = "stop",
    sample: int | None = None,
    seconds: float | None = None,
    threads: int = READERS,
    advance: Callable[[], None] = lambda: None,
) -> Report:
    """Decodes images and masks in threads, and compares the lists.

    Args:
      data: any data set.
      crop_size: of the training crops, pixels.
      uses_unlabelled: whether the method does.
      on_error: "stop" or "skip", see `pipeline.train_batches`.
      sample: files of each part, evenly spaced; None: all.
      seconds: after which no further file is begun; None: no limit.
      threads: that read and decode.
      advance: called once per file.
    """
    until = None if seconds is None else time.monotonic() + seconds
    parts = _look_at_parts(data, sample, until, threads, advance)
    found = findings.all_findings(
        parts,
        crop_size=crop_size,
        uses_unlabelled=uses_unlabelled,
        on_error=on_error,
    )
    facts = [*findings.describe_parts(parts), *data.notes]
    if sample is None:
        found += findings.describe_copies(_copies(data))
        if all(parts[name].whole for name in ("labelled", "val")):
            table, missing = _classes(data, parts)
            facts += table
            found += [Finding(False, text) for text in missing]
    return Report(
        tuple(facts),
        tuple(sorted(found, key=lambda one: not one.fatal)),
        {name: part.bad for name, part in parts.items()},
    )


def _look_at_parts(
    data: DataSet,
    sample: int | None,
    until: float | None,
    threads: int,
    advance: Callable[[], None],
) -> dict[str, Part]:
    """What was seen of each part; `until` is a time of `time.monotonic`."""

    def look(at: tuple[Source, int]) -> _Seen | None:
        if until is not None and time.monotonic() > until:
            return None
        return _look(*at)._replace(name=at[0].name(at[1]))

    parts = {}
    pool = ThreadPoolExecutor(threads)
    try:
        for name, source in _sources(data).items():
            positions = _positions(len(source), sample)
            seen = []
            for one in pool.map(look, [(source, i) for i in positions]):
                advance()
                seen += [] if one is None else [one]
            parts[name] = _part(source, seen)
    finally:
        pool.shutdown(cancel_futures=True)
    return parts


def _classes(
    data: DataSet, parts: dict[str, Part]
) -> tuple[list[str], list[str]]:
    """The table of classes, and warnings."""
    tallies = [
        class_counts.count_from_histograms(
            parts[name].counts, len(data.class_names)
        )
        for name in ("labelled", "val")
    ]
    return class_counts.format_classes(data, *tallies)


def check_before_training(
    data: DataSet, *, crop_size: int, uses_unlabelled: bool, on_error: str
) -> None:
    """A check of a few files of each part, bounded in time; logs what it saw.

    Raises:
      ValueError: training would fail; the first reason, and how to see all.
    """
    report = check_data(
        data,
        crop_size=crop_size,
        uses_unlabelled=uses_unlabelled,
        on_error=on_error,
        sample=SAMPLE,
        seconds=SECONDS,
    )
    for finding in report.findings:
        if finding.fatal:
            raise ValueError(
                f"{finding.text} `{call_of('check')}` with the same --config "
                "looks at all files."
            )
        findings.LOGGER.warning("%s", finding.text)


def count_files(data: DataSet) -> int:
    """Files that a whole check looks at."""
    return sum(len(source) for source in _sources(data).values())


def report_lines(report: Report) -> list[str]:
    """The report as a person reads it."""
    text = [*report.facts, ""]
    for name, sentences in report.bad.items():
        text += [f"{name}: {sentence}" for sentence in sentences]
    for finding in report.findings:
        text.append(f"{'FIX' if finding.fatal else 'Note'}: {finding.text}")
    text = [printable(line) for line in text]
    if report.fails:
        text.append("Training would fail on this data.")
    else:
        text.append("Nothing here stops training.")
    return text


def _sources(data: DataSet) -> dict[str, Source]:
    sources = {
        "labelled": data.labelled,
        "unlabelled": data.unlabelled,
        "val": data.val,
        "test": data.test,
    }
    return {name: s for name, s in sources.items() if s is not None}


def _copies(data: DataSet) -> list[list[tuple[str, str]]]:
    """Groups of (part, name) of images that are the same file or a copy."""
    every = [
        (name, source.name(i), path)
        for name, source in _sources(data).items()
        for i in range(len(source))
        if (path := source.path(i)) is not None
    ]
    groups = find_copies([path for _, _, path in every])
    return [[every[i][:2] for i in group] for group in groups]


def _positions(length: int, sample: int | None) -> Sequence[int]:
    """All of them, or some at even distances, the first and last included."""
    if sample is None or length <= sample:
        return range(length)
    return np.linspace(0, length - 1, sample).round().astype(int).tolist()


def _look(source: Source, i: int) -> _Seen:
    try:
        image, mask = source[i]
        size = source.size(i)
        image.histogram()  # Decodes what is read in windows.
    except BadFileError as error:
        return _Seen(None, None, str(error))
    if size != image.size[::-1]:
        return _Seen(
            None,
            None,
            f"{source.name(i)} is {image.size[0]}x{image.size[1]}, but its "
            f"header says {size[1]}x{size[0]}.",
        )
    windowed = isinstance(image, Windowed)
    if mask is None:
        return _Seen(size, None, None, windowed=windowed)
    counts = np.asarray(mask.histogram(), np.int64)
    return _Seen(size, counts, None, windowed=windowed)


def _part(source: Source, seen: list[_Seen]) -> Part:
    names = [posixpath.normpath(source.name(i)) for i in range(len(source))]
    counted = [one.counts for one in seen if one.counts is not None]
    return Part(
        names=tuple(names),
        looked_at=len(seen),
        sizes=collections.Counter(one.size for one in seen if one.size),
        counts=np.stack(counted) if counted else np.zeros((0, 256), int),
        bad=tuple(one.bad for one in seen if one.bad),
        large=tuple(
            f"{one.name} with {one.size[1]}x{one.size[0]} pixels"
            for one in seen
            if one.size and max(one.size) > findings.LARGE and not one.windowed
        ),
    )
