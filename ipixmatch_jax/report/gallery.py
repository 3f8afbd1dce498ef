"""Images of val with layers of class colours, to be compared by a slider."""

import base64
import io
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from PIL import Image

from ipixmatch_jax.evaluate import metrics
from ipixmatch_jax.report.templating import render, rgb
from ipixmatch_jax.report.val_evaluation import ShownImage, ValResult
from ipixmatch_jax.utils import pictures

_SIDE = 640  # Pixels, the most that a picture is wide or high.


class _Layer(NamedTuple):
    key: str
    uri: str


class _Card(NamedTuple):
    """What the template shows of one image."""

    name: str
    rank: str
    score: str
    by_class: str
    width: int
    height: int
    photo: str
    layers: list[_Layer]


def encode_photo(image: np.ndarray) -> str:
    """An image uint8 [H, W, C] as a JPEG data URI, shrunk if large."""
    picture = Image.fromarray(pictures.to_rgb(image))
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    return _encode(picture, "JPEG", quality=85)


def encode_ids(ids: np.ndarray, palette) -> str:
    """Class ids uint8 [H, W] as an indexed PNG data URI, shrunk if large."""
    picture = Image.fromarray(ids)
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.NEAREST)
    # The colour table of colour_mask, which paints 255 grey.
    table = pictures.colour_mask(np.arange(256, dtype=np.uint8), palette)
    picture.putpalette(table.tobytes())
    return _encode(picture, "PNG", optimize=True)


def _encode(picture: Image.Image, kind: str, **options) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    text = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/{kind.lower()};base64,{text}"


def render_gallery(result: ValResult) -> Markup:
    """A legend, what to compare, and a card per image, the worst first."""
    layers = ["truth", *result.confusions]
    legend = [
        {"name": name, "colour": rgb(colour)}
        for name, colour in zip(result.class_names, result.palette, strict=True)
    ]
    groups = [
        {"title": title, "cards": _make_cards(title, shown, result)}
        for title, shown in (("Worst", result.worst), ("Best", result.best))
        if shown
    ]
    sides = [
        {"key": "left", "title": "Left of the line", "chosen": "truth"},
        {"key": "right", "title": "Right of the line", "chosen": result.better},
    ]
    return render(
        "gallery.html",
        legend=legend,
        sides=sides,
        layers=["image", *layers],
        strength=70,
        groups=groups,
    )


def _make_cards(
    title: str, shown: list[ShownImage], result: ValResult
) -> list[_Card]:
    return [
        _make_card(one, f"{title.lower()} {rank}", result)
        for rank, one in enumerate(shown, 1)
    ]


def _make_card(shown: ShownImage, rank: str, result: ValResult) -> _Card:
    scored = shown.scored
    height, width = scored.truth.shape
    layers = {"truth": scored.truth, **scored.predictions}
    return _Card(
        name=shown.name,
        rank=rank,
        score=f"{shown.score:.1f} %",
        by_class=_list_iou(shown, result),
        width=width,
        height=height,
        photo=encode_photo(scored.image),
        layers=[
            _Layer(key, encode_ids(ids, result.palette))
            for key, ids in layers.items()
        ],
    )


def _list_iou(shown: ShownImage, result: ValResult) -> str:
    """IoU of the classes in the truth, the lowest first."""
    counts = shown.scored.confusions[result.better]
    iou = metrics.iou_by_class(counts)
    present = np.flatnonzero(counts.sum(1))
    return ", ".join(
        f"{result.class_names[k]} {iou[k]:.0f}"
        for k in present[np.argsort(iou[present], stable=True)]
    )
