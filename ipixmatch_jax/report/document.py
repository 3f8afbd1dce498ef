"""One HTML document that needs no other file and no network."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from ipixmatch_jax.report.charts import Chart
from ipixmatch_jax.report.templating import read_asset, render


class Section(NamedTuple):
    """A part of the page.

    Attributes:
      key: its anchor.
      title: plain text.
      body: HTML.
      charts: those whose places the body holds.
    """

    key: str
    title: str
    body: Markup
    charts: Sequence[Chart] = ()


def render_document(
    title: str,
    head: Markup,
    sections: Sequence[Section],
    notes: Sequence[str],
    cautions: Sequence[str] = (),
) -> str:
    """The HTML of a page.

    Args:
      title: plain text.
      head: HTML below the title.
      sections: in their order.
      notes: sentences on what is missing, plain text.
      cautions: sentences on why numbers may mislead, plain text.
    """
    from plotly.offline import get_plotlyjs  # slow to import

    charts = [chart for section in sections for chart in section.charts]
    page = render(
        "page.html",
        title=title,
        head=head,
        sections=sections,
        notes=notes,
        cautions=cautions,
        page_css=read_asset("page.css"),
        pictures_css=read_asset("pictures.css"),
        pictures_js=read_asset("pictures.js"),
        page_js=read_asset("page.js"),
        plotly_js=Markup(get_plotlyjs()),
        figures=_figures_json(charts),
    )
    return f"{page}\n"


def chart_section(key: str, title: str, charts: Sequence[Chart]) -> Section:
    """A section of charts alone."""
    return Section(key, title, render_charts(charts), charts)


def render_charts(charts: Sequence[Chart]) -> Markup:
    """The places of charts, side by side where there is room."""
    return render("charts.html", charts=charts)


def _figures_json(charts: Sequence[Chart]) -> Markup:
    """The figures by key; no name in them can end the script element."""
    figures = {c.key: {"kind": c.kind, **c.figure} for c in charts}
    text = json.dumps(figures, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))
