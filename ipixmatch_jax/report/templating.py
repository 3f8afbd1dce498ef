"""The HTML of a page from jinja2 templates, which escape every value.

The templates, styles and scripts lie in the folder `templates` of a package.
"""

import functools
import importlib.resources

import jinja2
from markupsafe import Markup

_REPORT = "ipixmatch_jax.report"


@functools.cache
def _environment(package: str) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, package: str = _REPORT, **values: object) -> Markup:
    """HTML of one of the templates; values that are not HTML are escaped."""
    text = _environment(package).get_template(template).render(**values)
    return Markup(text.rstrip("\n"))


def paragraph(text: str) -> Markup:
    """HTML of plain text."""
    return Markup("<p>{}</p>").format(text)


def swatch(colour: str) -> Markup:
    """HTML of a small square in a colour of CSS."""
    return render("swatch.html", colour=colour)


def rgb(colour: tuple[int, int, int]) -> str:
    """(red, green, blue) in 0..255 as CSS has it."""
    red, green, blue = colour
    return f"rgb({red},{green},{blue})"


def read_asset(name: str, package: str = _REPORT) -> Markup:
    """A style sheet or script of a package, which is not escaped."""
    place = importlib.resources.files(package)
    text = place.joinpath("templates", name).read_text(encoding="utf-8")
    return Markup(text)
