"""Images of val with layers of class colours, to be compared by a slider."""

import base64
import html
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from ipixmatch_jax.evaluate import metrics
from ipixmatch_jax.report.val_images import Shown, Verdict
from ipixmatch_jax.utils import pictures

_SIDE = 640  # Pixels, the most that a picture is wide or high.


def photo(image: np.ndarray) -> str:
    """An image uint8 [H, W, C] as a JPEG data URI, shrunk if large."""
    picture = Image.fromarray(pictures.shown(image))
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    return _uri(picture, "JPEG", quality=85)


def layer(ids: np.ndarray, palette) -> str:
    """Class ids uint8 [H, W] as an indexed PNG data URI, shrunk as `photo`."""
    picture = Image.fromarray(ids)
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.NEAREST)
    # The colour table of pictures.colour, which paints 255 grey.
    table = pictures.colour(np.arange(256, dtype=np.uint8), palette)
    picture.putpalette(table.tobytes())
    return _uri(picture, "PNG", optimize=True)


def _uri(picture: Image.Image, kind: str, **options) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    text = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/{kind.lower()};base64,{text}"


def legend(class_names: Sequence[str], palette) -> str:
    """HTML: every class beside its colour."""
    rows = [
        f"<li>{swatch(colour)}{html.escape(name)}</li>"
        for name, colour in zip(class_names, palette, strict=True)
    ]
    return f'<ul class="legend">{"".join(rows)}</ul>'


def swatch(colour: Sequence[int]) -> str:
    """HTML: a small square of one colour."""
    red, green, blue = colour
    return (
        f'<i class="swatch" style="background:rgb({red},{green},{blue})"></i>'
    )


def gallery(verdict: Verdict) -> str:
    """HTML: what to compare, and a card per image, the worst first."""
    layers = ["truth", *verdict.confusions]
    parts = [_controls(layers, verdict.better)]
    for title, shown in (("Worst", verdict.worst), ("Best", verdict.best)):
        if shown:
            cards = [
                _card(one, f"{title.lower()} {i}", verdict)
                for i, one in enumerate(shown, 1)
            ]
            parts.append(
                f'<h3>{title}</h3><div class="pictures">{"".join(cards)}</div>'
            )
    return "".join(parts)


def _controls(layers: Sequence[str], better: str) -> str:
    sides = [
        _radios("left", "Left of the line", layers, layers[0]),
        _radios("right", "Right of the line", layers, better),
    ]
    return (
        f'<form class="controls" id="layers">{"".join(sides)}'
        '<label class="strength">Strength of the colours'
        '<input type="range" id="strength" min="0" max="100" value="70">'
        "</label></form>"
    )


def _radios(side: str, title: str, layers: Sequence[str], chosen: str) -> str:
    buttons = [
        f'<label><input type="radio" name="{side}" value="{layer}"'
        f"{' checked' if layer == chosen else ''}><span>{layer}</span></label>"
        for layer in ["image", *layers]
    ]
    return (
        f'<fieldset><legend>{title}</legend><div class="choice">'
        f"{''.join(buttons)}</div></fieldset>"
    )


def _card(shown: Shown, rank: str, verdict: Verdict) -> str:
    seen, name = shown.seen, html.escape(shown.name)
    height, width = seen.truth.shape
    sources = {"truth": seen.truth, **seen.predictions}
    images = [
        f'<img class="layer" data-layer="{key}" alt="" draggable="false" '
        f'src="{layer(ids, verdict.palette)}">'
        for key, ids in sources.items()
    ]
    return (
        f'<figure class="picture"><div class="frame" '
        f'style="aspect-ratio:{width}/{height}">'
        f'<img class="photo" alt="{name}" draggable="false" '
        f'src="{photo(seen.image)}">{"".join(images)}'
        '<span class="tag left"></span><span class="tag right"></span>'
        '<span class="line"></span></div>'
        '<input class="divide" type="range" min="0" max="100" value="50" '
        f'step="0.5" aria-label="Where the line divides {name}, {rank}">'
        f"<figcaption><b>{shown.score:.1f} %</b> "
        f'<span class="name">{name}</span>'
        f"<small>{_by_class(shown, verdict)}</small></figcaption></figure>"
    )


def _by_class(shown: Shown, verdict: Verdict) -> str:
    """IoU of the classes in the truth, the lowest first."""
    counts = shown.seen.confusions[verdict.better]
    iou = metrics.iou(counts)
    present = np.flatnonzero(counts.sum(1))
    return ", ".join(
        f"{html.escape(verdict.class_names[k])} {iou[k]:.0f}"
        for k in present[np.argsort(iou[present], stable=True)]
    )
