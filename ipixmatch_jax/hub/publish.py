"""Writes the folder of a repository of the hub from a run."""

import pathlib
from typing import Any, NamedTuple

from ml_collections import FrozenConfigDict

from ipixmatch_jax.data import normalisation
from ipixmatch_jax.evaluate.results_table import FILE as RESULTS
from ipixmatch_jax.evaluate.results_table import read_results
from ipixmatch_jax.experiment.class_list import (
    RunClasses,
    list_classes,
    read_classes,
)
from ipixmatch_jax.experiment.convert_weights import read_named
from ipixmatch_jax.experiment.published import WEIGHTS
from ipixmatch_jax.experiment.run_config import load_run_config
from ipixmatch_jax.hub.licences import choose_licence, find_licence
from ipixmatch_jax.hub.model_card import LIBRARY, Card, write_card
from ipixmatch_jax.hub.private import strip_config, strip_results
from ipixmatch_jax.models.weights import files
from ipixmatch_jax.utils.atomic import write_file, write_json
from ipixmatch_jax.utils.versions import own_version

CONFIG, PREPROCESSOR, CARD = (
    "config.json",
    "preprocessor_config.json",
    "README.md",
)


class Repository(NamedTuple):
    """What was written: the folder, the network's name and its steps."""

    folder: pathlib.Path
    network: str
    step: int


def write_repository(
    workdir: pathlib.Path,
    folder: pathlib.Path,
    name: str,
    *,
    checkpoint: str = "best",
    network: str | None = None,
    licence: str = "",
) -> Repository:
    """Writes the weights, config, normalisation, scores and model card.

    No path of this machine is in any of them.

    Args:
      workdir: of the run.
      folder: to write to; files of these names are replaced.
      name: owner/name of the repository.
      checkpoint: "best" or "last".
      network: "student", "teacher" or "twin"; None: the one that scored best
        on val.
      licence: of the model, an identifier of the hub; "": that of the weights
        that the run started from, if it is known.

    Raises:
      ValueError, FileNotFoundError: one sentence; nothing is written.
    """
    config = load_run_config(workdir)
    public = FrozenConfigDict(strip_config(config.to_dict()))
    chosen = choose_licence(licence, find_licence(public))
    classes = read_classes(workdir)
    if classes is None:
        raise ValueError(
            f"An older version wrote {workdir} without classes.json: start "
            "the command that trained it once more, which writes it."
        )
    run = read_named(workdir, checkpoint, network)
    results = _read_scores(workdir)
    about = {
        "version": own_version(),
        "network": run.network,
        "step": run.step,
        "config": public.to_dict(),
        "classes": list_classes(classes),
    }
    text = write_card(
        Card(
            name,
            public,
            run.network,
            run.step,
            classes.names,
            _scores_of(results, run.network, run.step),
            chosen,
            own_version(),
            (results or {}).get("made_with", {}),
        )
    )
    folder.mkdir(parents=True, exist_ok=True)
    files.write_tensors(folder / WEIGHTS, run.tensors)
    write_json(folder / CONFIG, _hub_config(config, classes) | {LIBRARY: about})
    write_json(folder / PREPROCESSOR, _preprocessor(config))
    # Apart, as a class without a score is NaN, which the hub's JSON lacks.
    if results is not None:
        write_json(folder / RESULTS, results)
    write_file(folder / CARD, text.encode())
    return Repository(folder, run.network, run.step)


def _read_scores(workdir: pathlib.Path) -> dict[str, Any] | None:
    """A finished run's results without paths; None: it has not finished."""
    if not (workdir / RESULTS).exists():
        return None
    return strip_results(read_results(workdir))


def _scores_of(
    results: dict[str, Any] | None, network: str, step: int
) -> dict[str, Any]:
    """The scores of one network after some steps, by subset."""
    for part in ("best", "last") if results else ():
        found = results[part] if results else {}
        if (found["network"], found["step"]) == (network, step):
            return {s: found[s] for s in ("val", "test") if s in found}
    return {}


def _hub_config(
    config: FrozenConfigDict, classes: RunClasses
) -> dict[str, Any]:
    """The fields that other programs of the hub know."""
    return {
        "model_type": LIBRARY,
        "architectures": ["Segmenter"],
        "num_labels": len(classes.names),
        "num_channels": config.data.channels,
        "id2label": {str(k): name for k, name in enumerate(classes.names)},
        "label2id": {name: k for k, name in enumerate(classes.names)},
    }


def _preprocessor(config: FrozenConfigDict) -> dict[str, Any]:
    """The numbers of normalisation, as image processors of the hub name them.

    Images are not resized, apart from what the network does itself.
    """
    data = config.data
    parse = normalisation.parse_numbers
    return {
        "do_resize": False,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(parse("data.mean", data.mean) or normalisation.MEAN),
        "image_std": list(parse("data.std", data.std) or normalisation.STD),
    }
