"""The command that scores a run's checkpoint or a file of weights:

python -m ipixmatch_jax.evaluate --workdir DIR
python -m ipixmatch_jax.evaluate --config configs/voc.py:r101_1_8 --weights FILE
"""

import pathlib
import sys

import jax
from absl import flags
from ml_collections import ConfigDict

from ipixmatch_jax import main
from ipixmatch_jax.cli import arguments
from ipixmatch_jax.configuration import saved
from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.evaluate import results_table
from ipixmatch_jax.experiment import restore
from ipixmatch_jax.models.weights import files, load
from ipixmatch_jax.training import setup, summary


def evaluate_workdir(
    workdir: pathlib.Path, which: str, root: str | None
) -> str:
    """Scores a run's checkpoint on val and, where there is one, on test.

    Args:
      workdir: the run's.
      which: "best" or "last".
      root: the data set's folder, if it is not where it was.

    Returns:
      a table with a row per network and set.
    """
    run = restore.restore(workdir, which, root)
    data = setup.open_data(run.config)
    evaluate = setup.build_evaluator(run.config, run.network, run.mesh)
    rows = {}
    for name, variables in run.variables.items():
        scored = summary.score(evaluate, data, {name: variables}, run.step)
        rows[name] = [{which: scored, "class_names": data.class_names}]
    return results_table.table(rows)


def evaluate_weights(
    config: ConfigDict, source: str, network: str | None = None
) -> str:
    """Scores a file of a whole network's weights on val, and on test if any.

    Args:
      config: names the data set, the network and the mode of evaluation.
      source: a path or a name of the hub; see models/pretrained.py.
      network: which network of a training checkpoint.

    Returns:
      a table with a row per set.

    Raises:
      ValueError, FileNotFoundError: one sentence on what does not fit.
    """
    saved.check(config)
    data = setup.open_data(config)
    built = setup.build_network(config)
    shapes = setup.variable_shapes(built)
    variables = load.load(source, shapes, whole=True, network=network)
    mesh = sharding.make_mesh(config.mesh.data, config.mesh.fsdp)
    variables = jax.device_put(variables, sharding.state_sharding(shapes, mesh))
    evaluate = setup.build_evaluator(config, built, mesh)
    scored = summary.score(evaluate, data, {"weights": variables}, 0)
    row = {"file": scored, "class_names": data.class_names}
    return results_table.table({pathlib.Path(source).name: [row]})


def run() -> None:
    """Prints the table that the command line asks for."""
    args, rest = _arguments()
    try:
        if args.workdir is not None:
            table = evaluate_workdir(args.workdir, args.checkpoint, args.root)
        else:
            config = _config(args, rest)
            table = evaluate_weights(config, args.weights, args.network)
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"ipixmatch_jax: {error}")
    print(table)


def _arguments():
    """The command line, and what of it only a config file understands."""
    parser = arguments.parser(
        "ipixmatch_jax.evaluate",
        description="Scores a run's checkpoint, or a file of weights.",
        epilog="After --config its fields can be set, as in training: "
        "--config.model.stem=7x7.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--workdir", type=pathlib.Path, help="a run's folder")
    what.add_argument("--weights", help="a file, or a name of the hub")
    parser.add_argument(
        "--config", metavar="FILE[:ARGUMENT]", help="with --weights"
    )
    parser.add_argument(
        "--network",
        choices=files.NETWORKS,
        help="with --weights: which network of a training checkpoint; by "
        "default the averaged one, if there is one",
    )
    parser.add_argument(
        "--checkpoint",
        choices=("best", "last"),
        default="best",
        help="with --workdir",
    )
    parser.add_argument("--root", help="the data set's folder, if it moved")
    args, rest = parser.parse_known_args()
    if args.workdir is not None and (rest or args.config or args.network):
        parser.error("--workdir takes --checkpoint and --root alone")
    if args.weights is not None and args.config is None:
        parser.error("--weights needs --config FILE:ARGUMENT")
    return args, rest


def _config(args, rest) -> ConfigDict:
    left = main.parse(["evaluate", f"--config={args.config}", *rest])
    if len(left) > 1:
        sys.exit(f"ipixmatch_jax: not understood: {' '.join(left[1:])}")
    main.quieten()
    config = flags.FLAGS["config"].value
    if args.root is not None:
        config.data.root = args.root
    return config
