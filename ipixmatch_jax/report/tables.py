"""The tables of a report as HTML; what users named is escaped here."""

import html
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


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


def by_class(
    names: Sequence[str], columns: Sequence[Column], marks: Sequence[str] = ()
) -> str:
    """Percent per class, with a bar behind each; headers sort it.

    Args:
      names: of the classes, in the order of their ids.
      columns: of percent.
      marks: HTML before each name.
    """
    marks = marks or [""] * len(names)
    head = [_sorter("class"), *(_sorter(c.title) for c in columns)]
    rows = []
    for k, (name, mark) in enumerate(zip(names, marks, strict=True)):
        cells = [_percent(column.values[k]) for column in columns]
        rows.append(f"<tr>{_name(name, mark, k)}{''.join(cells)}</tr>")
    means = [_percent(column.mean) for column in columns]
    return (
        '<div class="scroll" tabindex="0" role="region" '
        'aria-label="IoU per class"><table class="sortable">'
        "<caption>IoU in percent. A header sorts by its column.</caption>"
        f"<thead><tr>{''.join(head)}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody>"
        f'<tfoot><tr><th scope="row">mean</th>{"".join(means)}</tr></tfoot>'
        "</table></div>"
    )


def _name(name: str, mark: str, value: object) -> str:
    """The head of a row; what is too long for its column is cut."""
    name = html.escape(name)
    return (
        f'<th scope="row" data-value="{value}" title="{name}">{mark}{name}</th>'
    )


def _sorter(title: str) -> str:
    return (
        f'<th scope="col" aria-sort="none"><button type="button">'
        f'{html.escape(title)}<span aria-hidden="true"></span></button></th>'
    )


def _percent(value: float | None) -> str:
    if value is None:
        return '<td class="number" data-value="">-</td>'
    return (
        f'<td class="number" data-value="{value:.6f}" '
        f'style="--share:{value:.1f}%">{value:.1f}</td>'
    )


def plain(
    head: Sequence[str],
    rows: Sequence[Sequence[object]],
    label: str,
    marks: Sequence[str] = (),
) -> str:
    """A table of text and numbers; the first cell of a row names it.

    Args:
      head: titles of the columns, or none.
      rows: plain values.
      label: says what it is, to a screen reader.
      marks: HTML before each first cell.
    """
    titles = "".join(f'<th scope="col">{html.escape(t)}</th>' for t in head)
    body = []
    marks = marks or [""] * len(rows)
    for mark, (first, *cells) in zip(marks, rows, strict=True):
        others = "".join(f"<td>{html.escape(text(c))}</td>" for c in cells)
        body.append(f"<tr>{_name(text(first), mark, '')}{others}</tr>")
    top = f"<thead><tr>{titles}</tr></thead>" if head else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="'
        f'{html.escape(label)}"><table>{top}<tbody>{"".join(body)}</tbody>'
        "</table></div>"
    )


def text(value: object) -> str:
    """A value as a cell has it; what is not there is a dash."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, as far as they are needed."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def mistakes(counts: np.ndarray, names: Sequence[str], count: int) -> str:
    """The largest shares off the diagonal, in words.

    Args:
      counts: integer [K, K], rows are the truth.
      names: K of them.
      count: how many to name.
    """
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    np.fill_diagonal(shares, 0.0)
    order = np.argsort(-shares, axis=None, kind="stable")[:count]
    items = []
    for at in order.tolist():
        true, taken = divmod(at, len(names))
        if shares[true, taken] >= 0.005:
            items.append(
                f"<li><b>{shares[true, taken]:.0%}</b> of "
                f"{html.escape(names[true])} is taken for "
                f"{html.escape(names[taken])}</li>"
            )
    return f'<ol class="mistakes">{"".join(items)}</ol>' if items else ""
