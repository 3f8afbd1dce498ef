"""The charts of a report, as plotly figures; the page adds the colours.

A trace says in `meta` which colour it takes: {"slot": i}, the i-th of the
page's, or {"scale": "share"}, the page's scale from 0 to 1. Names are escaped:
plotly reads HTML in them.
"""

import html
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ipixmatch_jax.report.history import Series
from ipixmatch_jax.report.run import Run

_POINTS = 2000  # of a curve,
_COLUMNS = 400  # and of a heat map; more cannot be seen.
_NAMED = 60  # classes of an axis
_LONG = 20  # letters of a name
SLOTS = 8  # colours of the page
_DASHES = ("solid", "dash", "dot")


class Chart(NamedTuple):
    """One chart.

    Attributes:
      key: unique on the page, of letters and dashes.
      title: plain text.
      says: plain text below the title, or "".
      figure: plotly's {"data": [...], "layout": {...}}, without colours.
      kind: "lines", "heat" or "matrix", for its height and colours.
      can_log: whether a button offers a logarithmic axis.
    """

    key: str
    title: str
    says: str
    figure: dict
    kind: str = "lines"
    can_log: bool = False


class Line(NamedTuple):
    """One curve: its name, its values, its colour and its dash."""

    name: str
    series: Series
    slot: int
    dash: str = "solid"


def lines(
    key: str,
    title: str,
    curves: Sequence[Line],
    *,
    says: str = "",
    percent: bool = False,
    can_log: bool = False,
) -> Chart:
    """Curves over steps; single points where a curve has few of them."""
    data = [_trace(curve, percent) for curve in curves]
    layout = {"xaxis": {"title": {"text": "steps"}}, "yaxis": {}}
    if percent:
        layout["yaxis"] = {"ticksuffix": " %", "rangemode": "tozero"}
    figure = {"data": data, "layout": layout}
    return Chart(key, title, says, figure, can_log=can_log)


def _trace(curve: Line, percent: bool) -> dict:
    steps = _thinned(list(curve.series), _POINTS)
    unit = " %" if percent else ""
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(steps) <= 40 else "lines",
        "name": _plain(curve.name),
        "x": steps,
        "y": [_number(curve.series[step]) for step in steps],
        "line": {"dash": curve.dash, "width": 2},
        "marker": {"size": 5},
        "hovertemplate": f"%{{y:.4~g}}{unit}",
        "meta": {"slot": curve.slot},
    }


def share_by_class(
    key: str, title: str, says: str, series: Series, names: Sequence[str]
) -> Chart:
    """A heat map of shares in [0, 1]: a row per class, over steps."""
    steps = _thinned(list(series), _COLUMNS)
    rows = np.asarray([series[step] for step in steps], np.float64).T
    trace = {
        "type": "heatmap",
        "x": steps,
        "y": _distinct(names),
        "z": [[_number(value) for value in row] for row in rows.tolist()],
        "zmin": 0,
        "zmax": 1,
        "colorbar": {"tickformat": ".0%", "thickness": 10, "outlinewidth": 0},
        "hovertemplate": "%{y}, step %{x}: %{z:.1%}<extra></extra>",
        "meta": {"scale": "share"},
    }
    layout = {
        "xaxis": {"title": {"text": "steps"}},
        # The first class on top, as in the tables.
        "yaxis": {"autorange": "reversed", **_classes(names)},
    }
    return Chart(key, title, says, {"data": [trace], "layout": layout}, "heat")


def confusion(
    key: str, title: str, says: str, counts: np.ndarray, names: Sequence[str]
) -> Chart:
    """A heat map of the rows' shares: what the pixels of a class are taken for.

    Args:
      key: see Chart.
      title: see Chart.
      says: see Chart.
      counts: integer [K, K], rows are the truth.
      names: K of them.
    """
    totals = counts.sum(1, keepdims=True)
    shares = np.where(totals > 0, counts / np.maximum(totals, 1), np.nan)
    labels = _distinct(names)
    trace = {
        "type": "heatmap",
        "x": labels,
        "y": labels,
        "z": [[_number(value) for value in row] for row in shares.tolist()],
        "customdata": counts.tolist(),
        "text": [[_seen(value) for value in row] for row in shares.tolist()],
        "zmin": 0,
        "zmax": 1,
        "xgap": 1,
        "ygap": 1,
        "showscale": False,
        "hovertemplate": "%{y} taken for %{x}: %{z:.1%}"
        "<br>%{customdata:,} pixels<extra></extra>",
        "meta": {"scale": "share"},
    }
    layout = {
        "xaxis": {"title": {"text": "predicted"}, **_classes(names)},
        "yaxis": {
            "title": {"text": "truth"},
            "autorange": "reversed",
            **_classes(names),
        },
    }
    figure = {"data": [trace], "layout": layout}
    return Chart(key, title, says, figure, "matrix")


def overlaid(
    key: str, title: str, runs: Sequence[Run], measured: str, **options
) -> Chart | None:
    """One measured value of several runs; None where no run has it."""
    curves = [
        Line(run.name, run.history.series[measured], *style(i))
        for i, run in enumerate(runs)
        if measured in run.history.series
    ]
    return lines(key, title, curves, **options) if curves else None


def style(i: int) -> tuple[int, str]:
    """Colour and dash of the i-th curve; no two of the first 24 are alike."""
    return i % SLOTS, _DASHES[i // SLOTS % len(_DASHES)]


def _thinned(steps: list[int], most: int) -> list[int]:
    """At most so many of the steps, the first and the last among them."""
    if len(steps) <= most:
        return steps
    return [steps[i] for i in np.linspace(0, len(steps) - 1, most).astype(int)]


def _number(value: float) -> float | None:
    """Five digits are seen; what is not finite is a gap."""
    return float(f"{value:.5g}") if math.isfinite(value) else None


def _seen(share: float) -> str:
    """Whole percent; what rounds to none is left out."""
    return f"{share:.0%}" if share >= 0.005 else ""


def _classes(names: Sequence[str]) -> dict:
    """An axis of classes; each has its name, if there is room for all."""
    axis: dict = {"type": "category"}
    if len(names) <= _NAMED:
        axis["tickvals"] = _distinct(names)
        axis["ticktext"] = [
            _plain(name if len(name) <= _LONG else f"{name[: _LONG - 3]}...")
            for name in names
        ]
    return axis


def _plain(name: str) -> str:
    # It would show the entities of quotes as they are written.
    return html.escape(name, quote=False)


def _distinct(names: Sequence[str]) -> list[str]:
    """Escaped, and numbered where equal: a plotly category is its name."""
    return [
        _plain(name if names.count(name) == 1 else f"{name} ({k})")
        for k, name in enumerate(names)
    ]
