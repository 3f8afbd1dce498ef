"""One HTML document that needs nothing beside itself."""

import html
import importlib.resources
import json
from collections.abc import Sequence
from typing import NamedTuple

from ipixmatch_jax.report.charts import Chart

# A browser refuses what is not in the page; plotly sets styles of elements.
_POLICY = (
    "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'"
)


class Section(NamedTuple):
    """A part of the page.

    Attributes:
      key: its anchor.
      title: plain text.
      body: HTML.
    """

    key: str
    title: str
    body: str


def document(
    title: str,
    head: str,
    sections: Sequence[Section],
    charts: Sequence[Chart],
    notes: Sequence[str],
) -> str:
    """The page.

    Args:
      title: plain text.
      head: HTML below the title.
      sections: in their order; their bodies hold `grid`s of the charts.
      charts: all of the page.
      notes: sentences on what is missing, plain text.
    """
    from plotly.offline import get_plotlyjs  # it imports much

    name = html.escape(title)
    links = [f'<a href="#{s.key}">{html.escape(s.title)}</a>' for s in sections]
    body = [
        f'<section id="{s.key}"><h2>{html.escape(s.title)}</h2>{s.body}'
        "</section>"
        for s in sections
    ]
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, '
            'initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            '<meta name="generator" content="ipixmatch_jax.report">',
            f"<title>{name}</title>",
            f"<style>{_asset('report_page.css')}</style>",
            f"<style>{_asset('report_pictures.css')}</style></head><body>",
            f"<header><h1>{name}</h1>{head}{_notes(notes)}"
            f'<nav aria-label="Sections">{"".join(links)}</nav></header>',
            f"<main>{''.join(body)}</main>",
            "<noscript><p>Charts, sorting and sliders need JavaScript."
            "</p></noscript>",
            f'<script type="application/json" id="charts">{_json(charts)}'
            "</script>",
            f"<script>{get_plotlyjs()}</script>",
            f"<script>{_asset('report_page.js')}</script></body></html>\n",
        ]
    )


def grid(charts: Sequence[Chart]) -> str:
    """HTML: the places of some charts, side by side where there is room."""
    places = [
        f'<figure class="chart {c.kind}"><h3>{html.escape(c.title)}</h3>'
        f"{_log_button(c)}{_says(c.says)}"
        f'<div class="plot" id="{c.key}" role="img" '
        f'aria-label="{html.escape(f"Chart: {c.title}. {c.says}")}"></div>'
        "</figure>"
        for c in charts
    ]
    return f'<div class="grid">{"".join(places)}</div>'


def tiles(facts: Sequence[tuple[str, str, str]]) -> str:
    """HTML: facts in large type, each (label, value, what goes with it)."""
    items = [
        f"<div><dt>{html.escape(label)}</dt><dd>{html.escape(value)}"
        f"<small>{html.escape(more)}</small></dd></div>"
        for label, value, more in facts
    ]
    return f'<dl class="tiles">{"".join(items)}</dl>'


def paragraph(text: str) -> str:
    """HTML of plain text."""
    return f"<p>{html.escape(text)}</p>"


def _log_button(chart: Chart) -> str:
    if not chart.can_log:
        return ""
    return (
        '<button type="button" class="log" aria-pressed="false" '
        f'data-chart="{chart.key}">log scale</button>'
    )


def _says(text: str) -> str:
    return f'<p class="says">{html.escape(text)}</p>' if text else ""


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    items = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    return (
        '<aside class="notes" aria-label="Not in this page"><b>Not in this '
        f"page, or not as it could be</b><ul>{items}</ul></aside>"
    )


def _json(charts: Sequence[Chart]) -> str:
    """The figures by key; no name in them can end the script."""
    figures = {c.key: {"kind": c.kind, **c.figure} for c in charts}
    text = json.dumps(figures, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _asset(name: str) -> str:
    place = importlib.resources.files("ipixmatch_jax")
    return place.joinpath(name).read_text(encoding="utf-8")
