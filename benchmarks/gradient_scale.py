"""Compares the gradient of each inter-pixel reading with the pixel loss's:

python -m benchmarks.gradient_scale --workdir RUN --ratios 0.1,1 --axis axis.txt

For each reading that goes with the compared map, at weight 1, this measures
the norm of its gradient divided by the norm of the gradient of the host's
unlabelled loss as it enters the total. Both are with respect to all parameters
of the student, in train mode, at the last checkpoint of a run and on the
training batches that would come next.

The ratios of the readings differ by an order of magnitude, so equal weights
would not be a fair comparison. The column `weight for R` is R divided by the
ratio: with that weight the reading's gradient is R times as large as the pixel
loss's at this point of this run. `sweep --grid "$(cat axis.txt)"` then trains
every reading with every such weight. The method is ours.

The run is usually a host without the term. `--on` chooses another map than its
config names, and `--labelled` compares labelled images with the truth too; both
then stand in the axis. `--readings` measures some of the readings alone.
"""

import argparse
import functools
import json
import pathlib
import sys
from typing import Any

import jax
import numpy as np
import optax
from absl import logging as absl_logging
from jax import Array
from ml_collections import ConfigDict, FrozenConfigDict

from ipixmatch_jax.distributed import mesh
from ipixmatch_jax.experiment import restore
from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.experiment.network import frozen_patterns
from ipixmatch_jax.experiment.validate import check_config
from ipixmatch_jax.losses.inter_pixel.loss import (
    check_reading,
    inter_pixel_loss,
)
from ipixmatch_jax.methods.compared_maps import (
    FEATURES,
    LOGITS,
    check_map,
    compared_maps,
    readings_on,
)
from ipixmatch_jax.methods.registry import METHODS
from ipixmatch_jax.methods.truth_pairs import compared_pairs
from ipixmatch_jax.training import setup
from ipixmatch_jax.training.batches import make_batches


def norms(
    variables: dict,
    views,
    *,
    forward,
    method,
    unlabelled_weight: float,
    threshold: float,
    temperature: float,
    on: str = "logits",
    encoder_stride: int = 16,
    agents: int = 64,
    labelled: bool = False,
    readings: list[tuple[str, str]] | None = None,
) -> dict[str, Array]:
    """Gradient norms with respect to the student's parameters.

    Args:
      variables: variables of the "student" and, if the host has one, of the
        "teacher".
      views: the views of one batch; see methods/base.py.
      forward: applies the network.
      method: the host with every argument bound except its unlabelled weight.
      unlabelled_weight: factor of the host's unlabelled losses.
      threshold: threshold of the inter-pixel term.
      temperature: temperature of the inter-pixel term.
      on, encoder_stride: which maps it compares, see compared_maps.
      agents: see inter_pixel_loss.
      labelled: see compared_pairs.
      readings: relations and distances; None: all that go with these maps.

    Returns:
      float32 scalars: "total" for the host's total, "pixel" for its unlabelled
      part, and one at weight 1 for each reading, named relation/distance.
    """

    def outcome(params, weight):
        student = {**variables["student"], "params": params}
        teacher = variables.get("teacher")
        return method(
            forward, student, teacher, views, unlabelled_weight=weight
        )

    def total(params):
        return outcome(params, unlabelled_weight).total

    def pixel(params):
        return total(params) - outcome(params, 0.0).total

    def reading(params, relation, distance):
        result = outcome(params, unlabelled_weight)
        terms = [
            inter_pixel_loss(
                *compared_maps(pair, on, encoder_stride),
                relation=relation,
                distance=distance,
                temperature=temperature,
                threshold=threshold,
                agents=agents,
            )[0]
            for pair in compared_pairs(result, views.labels, labelled)
        ]
        return sum(terms) / len(terms)

    functions = {"total": total, "pixel": pixel}
    for pair in readings or readings_on(on):
        functions["/".join(pair)] = functools.partial(
            reading, relation=pair[0], distance=pair[1]
        )
    params = variables["student"]["params"]
    return {
        name: optax.tree.norm(jax.grad(function)(params))
        for name, function in functions.items()
    }


def change_term(
    run: restore.Trained, changes: dict[str, Any]
) -> restore.Trained:
    """The run with other values of fields of inter_pixel.

    Raises:
      ValueError: a value is impossible, or the head shows no features.
    """
    config = ConfigDict(run.config.to_dict())
    config.inter_pixel.update(changes)
    term = config.inter_pixel
    term.relation, term.distance = next(iter(readings_on(term.on)))
    check_config(config)
    return run._replace(config=FrozenConfigDict(config))


def choose_readings(
    names: list[str] | None, on: str
) -> list[tuple[str, str]] | None:
    """Relations and distances of names such as "dist/correlation".

    Raises:
      ValueError: a reading is unknown, or does not go with the map.
    """
    if names is None:
        return None
    chosen = []
    for name in names:
        relation, _, distance = name.partition("/")
        check_reading(relation, distance)
        check_map(relation, distance, on)
        chosen.append((relation, distance))
    return chosen


def measure(
    run: restore.Trained,
    batches: int,
    threshold: float,
    readings: list[tuple[str, str]] | None = None,
) -> dict[str, float]:
    """Mean of `norms` over the batches, for the host of the run."""
    config = run.config
    method = METHODS[config.method]
    if not method.compares_views or len(method.networks) > 1:
        raise ValueError(
            f"{config.method} does not have one student with an unlabelled "
            "loss to compare with; give a run of another method."
        )
    data = open_data(config)
    stream = make_batches(config, data)
    compiled = _norms(config, run.network, threshold, readings)
    rows = []
    for step in range(run.step, run.step + batches):
        batch = stream[step]
        del batch["bad"]
        placed = mesh.put_batch(batch, run.mesh)
        rows.append(jax.device_get(compiled(run.variables, placed)))
    result = {
        name: float(np.mean([row[name] for row in rows])) for name in rows[0]
    }
    check_pull(result, config.pseudo_label.threshold)
    return result


def check_pull(result: dict[str, float], threshold: float) -> None:
    """Raises ValueError if the pixel loss has no gradient to compare with."""
    # It is a difference of two totals, so rounding keeps it from being 0.
    if result["pixel"] <= 1e-5 * result["total"]:
        raise ValueError(
            "The host's unlabelled loss has no gradient at this point of the "
            f"run: hardly a pixel passes pseudo_label.threshold={threshold:g}. "
            "Give a run that has been trained for longer."
        )


def _norms(config: ConfigDict, network, threshold: float, readings=None):
    """Compiled function (variables, batch) -> `norms`."""
    bound = functools.partial(
        norms,
        forward=functools.partial(
            setup.forward,
            network,
            frozen=frozen_patterns(config),
            keep_head=config.inter_pixel.on != LOGITS,
            keep_features=config.inter_pixel.on == FEATURES,
        ),
        method=functools.partial(
            METHODS[config.method].loss,
            labelled_loss=setup.labelled_loss(config),
            threshold=config.pseudo_label.threshold,
        ),
        unlabelled_weight=config.loss.unlabelled_weight,
        threshold=threshold,
        temperature=config.inter_pixel.temperature,
        on=config.inter_pixel.on,
        encoder_stride=network.strides[-1],
        agents=config.inter_pixel.agents,
        labelled=config.inter_pixel.labelled,
        readings=readings,
    )
    make_views = functools.partial(
        setup.make_views,
        recipe=METHODS[config.method].views,
        on_device=config.data.apply_views == "device",
        mean=network.mean,
        std=network.std,
    )
    return jax.jit(lambda variables, batch: bound(variables, make_views(batch)))


def table(results: dict[float, dict[str, float]], ratios: list[float]) -> str:
    """Markdown table with one row per threshold and reading."""
    heads = [f"weight for {ratio:g}" for ratio in ratios]
    lines = [
        "| threshold | reading | gradient / pixel loss's | "
        + " | ".join(heads)
        + " |",
        "|---" * (3 + len(ratios)) + "|",
    ]
    for threshold, result in results.items():
        for name in _readings(result):
            scale = result[name] / result["pixel"]
            # Without confident pixels a reading has no gradient.
            weights = [f"{r / scale:.2g}" if scale else "-" for r in ratios]
            lines.append(
                f"| {threshold:g} | {name} | {scale:.3g} | "
                + " | ".join(weights)
                + " |"
            )
    return "\n".join(lines)


def _readings(result: dict[str, float]) -> list[str]:
    return [name for name in result if name not in ("total", "pixel")]


def axis(
    results: dict[float, dict[str, float]],
    ratios: list[float],
    changes: dict[str, Any] | None = None,
) -> str:
    """The table's weights as one axis of `python -m ipixmatch_jax.sweep`.

    A reading whose gradient is 0 is left out, since no weight would change it.

    Args:
      results: of `measure`, by threshold.
      ratios: of the gradients.
      changes: further fields of inter_pixel and their values, which stand in
        every cell.
    """
    changes = changes or {}
    fields = ("relation", "distance", "threshold", "weight", *changes)
    more = "".join(f"+{value}" for value in changes.values())
    settings = [
        f"{name.replace('/', '+')}+{threshold:g}+{ratio / scale:.2g}{more}"
        for threshold, result in results.items()
        for name in _readings(result)
        for ratio in ratios
        if (scale := result[name] / result["pixel"])
    ]
    names = "+".join(f"inter_pixel.{field}" for field in fields)
    return f"{names}={','.join(settings)}"


def arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gradient_scale",
        description="Compare the gradients of the inter-pixel readings with "
        "the pixel loss's.",
    )
    parser.add_argument("--workdir", required=True, help="workdir of a run")
    parser.add_argument("--root", help="folder of the data, if it has moved")
    parser.add_argument(
        "--batches", type=int, default=8, help="batches to average over (8)"
    )
    parser.add_argument(
        "--thresholds",
        type=_numbers,
        help="thresholds of the term, such as 0,0.95 (default: the run's own)",
    )
    parser.add_argument(
        "--ratios",
        type=_numbers,
        default=[0.1, 1.0],
        help="desired ratios of the gradients, one column each (0.1,1)",
    )
    parser.add_argument(
        "--on", help="map to compare, inter_pixel.on (default: the run's own)"
    )
    parser.add_argument(
        "--readings",
        type=lambda text: text.split(","),
        help="readings to measure, such as dist/correlation (default: all "
        "that go with the map)",
    )
    parser.add_argument(
        "--labelled",
        action="store_true",
        help="compare labelled images too, inter_pixel.labelled=True",
    )
    parser.add_argument("--axis", help="file to write the axis for a sweep to")
    parser.add_argument("--json", help="file to write the numbers to")
    return parser.parse_args()


def _numbers(text: str) -> list[float]:
    return [float(word) for word in text.split(",")]


def main() -> None:
    """Measures the ratios, prints the table and writes the files."""
    given = arguments()
    absl_logging.set_verbosity(absl_logging.WARNING)
    try:
        run = restore.restore_networks(
            pathlib.Path(given.workdir), "last", given.root
        )
        changes = {"on": given.on} if given.on else {}
        changes |= {"labelled": True} if given.labelled else {}
        run = change_term(run, changes)
        readings = choose_readings(given.readings, run.config.inter_pixel.on)
        thresholds = given.thresholds or [run.config.inter_pixel.threshold]
        results = {
            t: measure(run, given.batches, t, readings) for t in thresholds
        }
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"benchmarks.gradient_scale: {error}")
    print(f"{run.config.data.name}, {run.config.method}, step {run.step}\n")
    print(table(results, given.ratios))
    texts = {
        given.axis: axis(results, given.ratios, changes),
        given.json: json.dumps(results, indent=1),
    }
    for path, text in texts.items():
        if path:
            pathlib.Path(path).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
