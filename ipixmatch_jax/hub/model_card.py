"""The model card of a run: README.md with the YAML header of the hub."""

import importlib.resources
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jinja2
from ml_collections import FrozenConfigDict

from ipixmatch_jax.hub.licences import Licence
from ipixmatch_jax.models.registry import BACKBONES
from ipixmatch_jax.models.weights.hub import parse_name

LIBRARY = "ipixmatch_jax"
TASK = "image-segmentation"


class Card(NamedTuple):
    """What a model card says.

    Attributes:
      repository: owner/name.
      config: of the run, without paths.
      network: the name of the network, such as "teacher".
      step: the steps that it was trained for.
      class_names: one per class id.
      scores: by subset, val or test, as in results.json; {}: not known.
      licence: of the model.
      version: of this package.
      versions: of the packages that the scores came from, and the devices.
    """

    repository: str
    config: FrozenConfigDict
    network: str
    step: int
    class_names: tuple[str, ...]
    scores: Mapping[str, Mapping[str, Any]]
    licence: Licence
    version: str
    versions: Mapping[str, str]


def write_card(card: Card) -> str:
    """The text of README.md; needs the extra `hub` for its header."""
    place = importlib.resources.files("ipixmatch_jax.hub")
    template = place.joinpath("templates", "model_card.md").read_text("utf-8")
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    body = environment.from_string(template).render(
        card=card,
        config=card.config,
        head=card.config.model.head
        or BACKBONES[card.config.model.backbone].head,
        data=_describe_data(card.config),
        rows=_score_rows(card),
    )
    return f"---\n{_header(card)}---\n\n{body}"


def _header(card: Card) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    base = parse_name(str(card.config.model.pretrained))
    data = card.config.data
    results = [
        EvalResult(
            task_type=TASK,
            dataset_type=data.name,
            dataset_name=" ".join(filter(None, (data.name, data.split))),
            dataset_split=subset,
            metric_type="mean_iou",
            metric_value=round(scores["miou"] / 100, 6),
        )
        for subset, scores in card.scores.items()
    ]
    licence = card.licence
    header = ModelCardData(
        library_name=LIBRARY,
        pipeline_tag=TASK,
        tags=["semantic-segmentation", "semi-supervised", "jax"],
        license=licence.identifier or None,
        license_name=licence.name or None,
        license_link=licence.link or None,
        base_model=base.repository if base else None,
        model_name=card.repository if results else None,
        eval_results=results or None,
    )
    return header.to_yaml() + "\n"


def _describe_data(config: FrozenConfigDict) -> str:
    data = config.data
    words = f"`{data.name}`" + (f", split `{data.split}`" if data.split else "")
    channels = f"{data.channels} channel" + "s" * (data.channels != 1)
    return f"{words}, images of {channels}"


def _score_rows(card: Card) -> list[tuple[str, list[str]]]:
    """Class or mean, and its score on each subset, in percent."""
    columns = [
        [*scores["iou"], scores["miou"]] for scores in card.scores.values()
    ]
    names = [*card.class_names, "mean (mIoU)"]
    cells = [
        [_percent(value) for value in row] for row in zip(*columns, strict=True)
    ]
    return list(zip(names, cells, strict=True)) if columns else []


def _percent(value: float) -> str:
    """A class that a subset lacks has no score, which is NaN."""
    return f"{value:.1f}" if math.isfinite(value) else "-"
