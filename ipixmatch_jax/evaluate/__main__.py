"""Scores a run's checkpoint, or a file of weights, on val and test:

python -m ipixmatch_jax.evaluate --workdir DIR
python -m ipixmatch_jax.evaluate --config configs/voc.py:r101_1_8 --weights FILE
"""

import pathlib

from ml_collections import ConfigDict

from ipixmatch_jax.cli import arguments, compilation_cache, config_flag
from ipixmatch_jax.cli.prepare_jax import prepare_jax
from ipixmatch_jax.cli.report_errors import report_errors
from ipixmatch_jax.experiment.score import evaluate_weights, evaluate_workdir
from ipixmatch_jax.models.weights import files


@report_errors("ipixmatch_jax.evaluate")
def run() -> None:
    """Prints the table that the command line asks for."""
    args, rest = _arguments()
    prepare_jax(args.compilation_cache)
    if args.workdir is not None:
        table = evaluate_workdir(args.workdir, args.checkpoint, args.root)
    else:
        config = _read_config(args, rest)
        table = evaluate_weights(
            config, args.weights, args.network, root=args.root
        )
    print(table)


def _arguments():
    """The command line, and its fields of a config."""
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
    arguments.add_plugin_option(parser)
    compilation_cache.add_cache_option(parser)
    args, rest = parser.parse_known_args()
    if args.workdir is not None and (rest or args.config or args.network):
        parser.error("--workdir goes only with --checkpoint and --root")
    if args.weights is not None and args.config is None:
        parser.error("--weights needs --config FILE:ARGUMENT")
    return args, rest


def _read_config(args, rest) -> ConfigDict:
    config = config_flag.parse_rest("ipixmatch_jax.evaluate", args.config, rest)
    config_flag.configure_logging()
    return config


if __name__ == "__main__":
    run()
