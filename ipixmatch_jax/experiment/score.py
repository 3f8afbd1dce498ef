"""Scores a run, or a file of weights, on val and test."""

import pathlib
from typing import Any

import jax
from ml_collections import ConfigDict

from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.evaluate import results_table
from ipixmatch_jax.evaluate.scores import score_networks
from ipixmatch_jax.experiment import restore
from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.experiment.evaluator import build_evaluator
from ipixmatch_jax.experiment.image_lists import warn_of_other_val
from ipixmatch_jax.experiment.network import build_network, find_weights_loader
from ipixmatch_jax.experiment.resolve import change_fields, resolve_config
from ipixmatch_jax.experiment.validate import check_config
from ipixmatch_jax.models.segmenter import variable_shapes


def evaluate_workdir(
    workdir: pathlib.Path, which: str, root: str | None
) -> str:
    """Scores a run's checkpoint on val and, where there is one, on test.

    Args:
      workdir: the run's.
      which: "best" or "last".
      root: the data set's folder, if it is not where it was.

    Returns:
      a table with a column per network and set.
    """
    run = restore.restore_networks(workdir, which, root)
    data, classes = restore.open_run_data(workdir, run.config)
    warn_of_other_val(data, workdir)
    evaluate = build_evaluator(run.config, run.network, run.mesh)
    columns: dict[str, Any] = {}
    for name, variables in run.variables.items():
        scored = score_networks(evaluate, data, {name: variables}, run.step)
        columns |= _columns(name, scored)
    table = results_table.format_scores(classes.names, columns)
    return f"{table}\n{which}: after {run.step} steps"


def evaluate_weights(
    config: ConfigDict,
    source: str,
    network: str | None = None,
    root: str | None = None,
) -> str:
    """Scores a file of a whole network's weights on val, and on test if any.

    Args:
      config: names the data set, the network and the mode of evaluation.
      source: a path or a name of the hub; see models/pretrained.py.
      network: which network of a training checkpoint.
      root: the data set's folder; None: as the config has it.

    Returns:
      a table with a column per set.

    Raises:
      ValueError, FileNotFoundError: one sentence on what does not fit.
    """
    check_config(config)
    if root is not None:
        config = change_fields(config, {"data.root": root})
    data = open_data(config)
    config = resolve_config(config, data)
    built = build_network(config)
    shapes = variable_shapes(built)
    load_weights = find_weights_loader(config)
    variables = load_weights(source, shapes, whole=True, network=network)
    mesh = sharding.make_mesh(config.mesh.data, config.mesh.fsdp)
    variables = jax.device_put(variables, sharding.state_sharding(shapes, mesh))
    evaluate = build_evaluator(config, built, mesh)
    scored = score_networks(evaluate, data, {"weights": variables}, 0)
    columns = _columns("weights", scored)
    return results_table.format_scores(data.class_names, columns)


def _columns(name: str, scored: dict[str, Any]) -> dict[str, Any]:
    """The columns of a table, one per set."""
    return {
        f"{name}, {subset}": scored[subset]
        for subset in ("val", "test")
        if subset in scored
    }
