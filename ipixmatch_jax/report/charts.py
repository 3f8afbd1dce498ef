"""The charts of a report as plotly figures; the page adds the colours.

The `meta` of a trace names its colour: {"slot": i} is the page's i-th colour,
{"scale": "share"} the page's scale from 0 to 1. Names are escaped, because
plotly reads HTML in them.
"""

import html
import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from ipixmatch_jax.report.metrics_log import Series
from ipixmatch_jax.report.run_files import Run

_POINTS = 2000  # of a curve; more cannot be seen
_COLUMNS = 400  # of a heat map; more cannot be seen
_NAMED = 60  # Axes of more classes have no names.
_LONG = 20  # Letters of a name; what is longer is cut.
_FEW = 4  # So many steps are all labelled, and no numbers between them.
SLOTS = 8  # colours of the page
_DASHES = ("solid", "dash", "dot")


class Chart(NamedTuple):
    """One chart.

    Attributes:
      key: unique on the page, of letters and dashes.
      title: plain text.
      says: plain text below the title, or "".
      figure: plotly's {"data": [...], "layout": {...}}, without colours.
      kind: "lines", "heat" or "matrix"; decides height and colours.
      can_log: whether a button switches to a logarithmic axis.
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
    """Curves over steps, with a marker per point where there are few."""
    data = [_trace(curve, percent) for curve in curves]
    steps = {step for curve in curves for step in curve.series}
    layout: dict[str, dict] = {"xaxis": _step_axis(steps), "yaxis": {}}
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
        "xaxis": _step_axis(steps),
        # The first class on top, as in the tables.
        "yaxis": {"autorange": "reversed", **_classes(names)},
    }
    return Chart(key, title, says, {"data": [trace], "layout": layout}, "heat")


def confusion(
    key: str, title: str, says: str, counts: np.ndarray, names: Sequence[str]
) -> Chart:
    """A heat map of what the pixels of each class are predicted as.

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
        "text": [
            [_cell_text(value) for value in row] for row in shares.tolist()
        ],
        "zmin": 0,
        "zmax": 1,
        "xgap": 1,
        "ygap": 1,
        "showscale": False,
        "hovertemplate": "%{y} predicted as %{x}: %{z:.1%}"
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
    """One logged value of several runs; None if no run has it."""
    curves = [
        Line(run.name, run.history.series[measured], *style(i))
        for i, run in enumerate(runs)
        if measured in run.history.series
    ]
    return lines(key, title, curves, **options) if curves else None


def style(i: int) -> tuple[int, str]:
    """Colour and dash of the i-th curve; the first 24 are all different."""
    return i % SLOTS, _DASHES[i // SLOTS % len(_DASHES)]


def _step_axis(steps: Collection[int]) -> dict:
    """An axis of steps, which begins at 0 where there is a single one."""
    axis: dict = {"title": {"text": "steps"}}
    if len(steps) <= _FEW:
        axis["tickvals"] = sorted(steps)
    if len(steps) == 1:
        (step,) = steps
        axis["range"] = [0, 2 * max(step, 1)]
    return axis


def _thinned(steps: list[int], most: int) -> list[int]:
    """At most `most` of the steps, with the first and the last."""
    if len(steps) <= most:
        return steps
    return [steps[i] for i in np.linspace(0, len(steps) - 1, most).astype(int)]


def _number(value: float) -> float | None:
    """Five digits; what is not finite is a gap."""
    return float(f"{value:.5g}") if math.isfinite(value) else None


def _cell_text(share: float) -> str:
    """Whole percent; nothing where that is 0."""
    return f"{share:.0%}" if share >= 0.005 else ""


def _classes(names: Sequence[str]) -> dict:
    """An axis of classes, with all names where there is room for them."""
    axis: dict = {"type": "category"}
    if len(names) <= _NAMED:
        axis["tickvals"] = _distinct(names)
        axis["ticktext"] = [
            _plain(name if len(name) <= _LONG else f"{name[: _LONG - 3]}...")
            for name in names
        ]
    return axis


def _plain(name: str) -> str:
    # Plotly shows the entities of quotes as they are written.
    return html.escape(name, quote=False)


def _distinct(names: Sequence[str]) -> list[str]:
    """Escaped, and numbered where equal: a plotly category is its name."""
    return [
        _plain(name if names.count(name) == 1 else f"{name} ({k})")
        for k, name in enumerate(names)
    ]
