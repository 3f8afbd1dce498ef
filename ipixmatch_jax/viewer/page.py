"""The HTML of the page; it asks no other host for anything."""

from ipixmatch_jax.data.files.walk import ENDINGS
from ipixmatch_jax.predict.model import Model
from ipixmatch_jax.report.templating import read_asset, render
from ipixmatch_jax.utils.file_names import printable
from ipixmatch_jax.viewer.prediction import MOST_BYTES

_PACKAGE = "ipixmatch_jax.viewer"
# The layers that the two sides of the line can show.
_LAYERS = ("image", "overlay", "mask", "confidence")
_SIDES = (
    {"key": "left", "title": "Left of the line", "chosen": "image"},
    {"key": "right", "title": "Right of the line", "chosen": "overlay"},
)


def build_page(model: Model) -> str:
    """The page for a model."""
    classes = len(model.class_names)
    page = render(
        "page.html",
        _PACKAGE,
        title=printable(model.workdir.absolute().name),
        about=f"The {model.network_name} after {model.step} steps, "
        f"{classes} classes.",
        note=model.classes.note,
        endings=",".join(ENDINGS),
        most=MOST_BYTES,
        # The colours are as strong as in the overlay that is saved.
        layers=render("layers.html", sides=_SIDES, layers=_LAYERS, strength=50),
        styles=[
            read_asset("page.css"),
            read_asset("pictures.css"),
            read_asset("viewer.css", _PACKAGE),
        ],
        scripts=[
            read_asset("pictures.js"),
            read_asset("viewer.js", _PACKAGE),
        ],
    )
    return f"{page}\n"
