"""How strongly each inter-pixel reading pulls, beside the pixel loss:

python -m benchmarks.gradient_scale --workdir RUN --ratios 0.1,1 --axis axis.txt

For a run's last networks and the training batches that would come next, the
norm of the gradient of each reading at weight 1, over that of the host's
unlabelled loss as it enters its total, both by all of the student's
parameters, in train mode. The readings differ by an order of magnitude, so
equal weights would compare nothing: `weight for R` is R over this ratio, the
weight with which a reading pulls R times as hard as the pixel loss at this
point of this training. `sweep --grid "$(cat axis.txt)"` then trains every
reading with every such weight. Ours.
"""

import argparse
import functools
import json
import pathlib
import sys

import jax
import numpy as np
import optax
from absl import logging as absl_logging
from jax import Array
from ml_collections import ConfigDict

from ipixmatch_jax.distributed import mesh
from ipixmatch_jax.experiment import restore
from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.losses.inter_pixel.loss import READINGS, inter_pixel_loss
from ipixmatch_jax.methods.registry import METHODS
from ipixmatch_jax.training import loop, setup


def norms(
    variables: dict,
    views,
    *,
    forward,
    method,
    unlabelled_weight: float,
    threshold: float,
    temperature: float,
) -> dict[str, Array]:
    """Gradient norms by the student's parameters, float32 scalars.

    Args:
      variables: of "student" and, where one labels, "teacher".
      views: of one batch; see methods/base.py.
      forward: the network.
      method: the host with all bound but its unlabelled weight.
      unlabelled_weight: what the host multiplies its unlabelled losses with.
      threshold: of the inter-pixel term.
      temperature: of the inter-pixel term.

    Returns:
      the host's "total" and its unlabelled part "pixel", and each reading at
      weight 1, as relation/distance.
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
        terms = [
            inter_pixel_loss(
                *pair,
                relation=relation,
                distance=distance,
                temperature=temperature,
                threshold=threshold,
            )[0]
            for pair in outcome(params, unlabelled_weight).consistency
        ]
        return sum(terms) / len(terms)

    functions = {"total": total, "pixel": pixel}
    for pair in READINGS:
        functions["/".join(pair)] = functools.partial(
            reading, relation=pair[0], distance=pair[1]
        )
    params = variables["student"]["params"]
    return {
        name: optax.tree.norm(jax.grad(function)(params))
        for name, function in functions.items()
    }


def measure(
    run: restore.Trained, batches: int, threshold: float
) -> dict[str, float]:
    """Means over the batches of `norms`, for the run's own host."""
    config = run.config
    if config.method in ("supervised", "cps"):
        raise ValueError(
            f"{config.method} has no one student with an unlabelled loss to "
            "compare with; give a run of another method."
        )
    data = open_data(config)
    stream = loop.batches(config, data)
    compiled = _norms(config, run.network, threshold)
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
    """Raises ValueError where the pixel loss is no scale to compare with."""
    # As a difference of two totals it is seldom exactly 0.
    if result["pixel"] <= 1e-5 * result["total"]:
        raise ValueError(
            "The host's unlabelled loss has no gradient at this point of the "
            f"run: hardly a pixel passes pseudo_label.threshold={threshold:g}. "
            "Give a run that was trained for longer."
        )


def _norms(config: ConfigDict, network, threshold: float):
    """(variables, batch) -> `norms`, compiled."""
    bound = functools.partial(
        norms,
        forward=functools.partial(setup.forward, network),
        method=functools.partial(
            METHODS[config.method],
            labelled_loss=setup.labelled_loss(config),
            threshold=config.pseudo_label.threshold,
        ),
        unlabelled_weight=config.loss.unlabelled_weight,
        threshold=threshold,
        temperature=config.inter_pixel.temperature,
    )
    make_views = functools.partial(
        setup.make_views,
        recipe=setup.view_recipe(config),
        on_device=config.data.apply_views == "device",
        mean=network.mean,
        std=network.std,
    )
    return jax.jit(lambda variables, batch: bound(variables, make_views(batch)))


def table(results: dict[float, dict[str, float]], ratios: list[float]) -> str:
    """Markdown: a row for each threshold and reading."""
    heads = [f"weight for {ratio:g}" for ratio in ratios]
    lines = [
        "| threshold | reading | gradient / pixel loss's | "
        + " | ".join(heads)
        + " |",
        "|---" * (3 + len(ratios)) + "|",
    ]
    for threshold, result in results.items():
        for pair in READINGS:
            name = "/".join(pair)
            scale = result[name] / result["pixel"]
            # A reading that sees no confident pixel pulls at nothing.
            weights = [f"{r / scale:.2g}" if scale else "-" for r in ratios]
            lines.append(
                f"| {threshold:g} | {name} | {scale:.3g} | "
                + " | ".join(weights)
                + " |"
            )
    return "\n".join(lines)


def axis(results: dict[float, dict[str, float]], ratios: list[float]) -> str:
    """The table's weights as one axis of ipixmatch_jax.sweep.

    A reading without a gradient is left out: no weight makes it pull.
    """
    fields = ("relation", "distance", "threshold", "weight")
    settings = [
        f"{relation}+{distance}+{threshold:g}+{ratio / scale:.2g}"
        for threshold, result in results.items()
        for relation, distance in READINGS
        for ratio in ratios
        if (scale := result[f"{relation}/{distance}"] / result["pixel"])
    ]
    names = "+".join(f"inter_pixel.{field}" for field in fields)
    return f"{names}={','.join(settings)}"


def arguments() -> argparse.Namespace:
    """The command's."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gradient_scale",
        description="How strongly each inter-pixel reading pulls.",
    )
    parser.add_argument("--workdir", required=True, help="a run")
    parser.add_argument("--root", help="the data, if not where it was")
    parser.add_argument(
        "--batches", type=int, default=8, help="to average over (8)"
    )
    parser.add_argument(
        "--thresholds",
        type=_numbers,
        help="such as 0,0.95; by default the run's inter_pixel.threshold",
    )
    parser.add_argument(
        "--ratios",
        type=_numbers,
        default=[0.1, 1.0],
        help="columns of the table (0.1,1)",
    )
    parser.add_argument("--axis", help="file that gets an axis for a sweep")
    parser.add_argument("--json", help="file that gets the numbers")
    return parser.parse_args()


def _numbers(text: str) -> list[float]:
    return [float(word) for word in text.split(",")]


def main() -> None:
    """Measures, prints a table and writes the files."""
    given = arguments()
    absl_logging.set_verbosity(absl_logging.WARNING)
    try:
        run = restore.restore(pathlib.Path(given.workdir), "last", given.root)
        thresholds = given.thresholds or [run.config.inter_pixel.threshold]
        results = {t: measure(run, given.batches, t) for t in thresholds}
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"benchmarks.gradient_scale: {error}")
    print(f"{run.config.data.name}, {run.config.method}, step {run.step}\n")
    print(table(results, given.ratios))
    texts = {
        given.axis: axis(results, given.ratios),
        given.json: json.dumps(results, indent=1),
    }
    for path, text in texts.items():
        if path:
            pathlib.Path(path).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
