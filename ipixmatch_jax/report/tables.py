"""The tables of a report as HTML."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from ipixmatch_jax.report.templating import render


class Column(NamedTuple):
    """A column of numbers.

    Attributes:
      title: plain text.
      values: one per row; None is empty.
      mean: for the last row; None is empty.
    """

    title: str
    values: Sequence[float | None]
    mean: float | None


class _Row(NamedTuple):
    name: str
    mark: Markup | str
    cells: list[str]


class _Mistake(NamedTuple):
    share: str
    true: str
    predicted: str


def class_table(
    names: Sequence[str],
    columns: Sequence[Column],
    marks: Sequence[Markup] = (),
) -> Markup:
    """Percent per class, with a bar behind each; headers sort it.

    Args:
      names: of the classes, in the order of their ids.
      columns: of percent.
      marks: HTML before each name.
    """
    return render("class_table.html", names=names, columns=columns, marks=marks)


def plain_table(
    head: Sequence[str],
    rows: Sequence[Sequence[object]],
    label: str,
    marks: Sequence[Markup] = (),
) -> Markup:
    """A table of text and numbers; the first cell of a row names it.

    Args:
      head: titles of the columns, or none.
      rows: plain values.
      label: says what the table is, to a screen reader.
      marks: HTML before each first cell.
    """
    all_marks: Sequence[Markup | str] = marks or [""] * len(rows)
    lines = [
        _Row(format_value(first), mark, [format_value(c) for c in cells])
        for mark, (first, *cells) in zip(all_marks, rows, strict=True)
    ]
    return render("table.html", head=head, rows=lines, label=label)


def format_value(value: object) -> str:
    """A value as a cell shows it; a missing one is a dash."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def list_mistakes(
    counts: np.ndarray, names: Sequence[str], count: int
) -> Markup:
    """The largest shares off the diagonal, in words.

    Args:
      counts: integer [K, K], rows are the truth.
      names: K of them.
      count: how many to name.
    """
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    np.fill_diagonal(shares, 0.0)
    order = np.argsort(-shares, axis=None, kind="stable")[:count]
    found = []
    for at in order.tolist():
        true, taken = divmod(at, len(names))
        share = shares[true, taken]
        if share >= 0.005:
            found.append(_Mistake(f"{share:.0%}", names[true], names[taken]))
    return render("mistakes.html", mistakes=found)
