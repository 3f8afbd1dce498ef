"""Converts weights from other projects, and exports ours to PyTorch:

python -m ipixmatch_jax.models.pretrained convert IN --to OUT.safetensors
python -m ipixmatch_jax.models.pretrained export IN --to OUT.pth
"""

import argparse
import logging
import pathlib

from ipixmatch_jax.cli import arguments
from ipixmatch_jax.cli.report_errors import report_errors
from ipixmatch_jax.experiment.convert_weights import (
    convert_weights,
    export_weights,
)
from ipixmatch_jax.models.weights import files

_MODULE = "ipixmatch_jax.models.pretrained"


def _parser() -> argparse.ArgumentParser:
    parser = arguments.parser(
        _MODULE,
        description="Converts weights from other projects into this project's "
        "files, and exports this project's networks to PyTorch.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    convert_parser = commands.add_parser(
        "convert",
        help="convert weights from another project",
        **arguments.describe(_MODULE, ("convert",)),
    )
    _add_convert_arguments(convert_parser)
    export_parser = commands.add_parser(
        "export",
        help="export a trained network to PyTorch",
        **arguments.describe(_MODULE, ("export",)),
    )
    _add_export_arguments(export_parser)
    for command in (convert_parser, export_parser):
        command.add_argument(
            "--to",
            required=True,
            type=pathlib.Path,
            metavar="OUT",
            help="a .safetensors file; export also takes a .pth file",
        )
    return parser


def _add_convert_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="IN", help="a file, or a hub name")
    parser.add_argument(
        "--allow-missing",
        default="",
        metavar="PREFIXES",
        help="beginnings of tensor names that IN may lack, with commas",
    )
    parser.add_argument(
        "--network",
        choices=files.NETWORKS,
        help="which network of a training checkpoint; default: the first of "
        "these that it holds",
    )


def _add_export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", metavar="IN", help="a workdir, or a file from convert"
    )
    parser.add_argument(
        "--checkpoint",
        choices=("best", "last"),
        default="best",
        help="which checkpoint of a workdir (default: %(default)s)",
    )
    parser.add_argument(
        "--network",
        help="which network of a workdir, such as student or teacher; "
        "default: the one that scored best on val",
    )
    arguments.add_plugin_option(parser)


@report_errors(_MODULE)
def main() -> None:
    """Runs `convert` or `export`."""
    args = _parser().parse_args()
    logging.basicConfig(format="%(message)s", force=True)
    logging.getLogger("ipixmatch_jax").setLevel(logging.INFO)
    if args.command == "convert":
        prefixes = tuple(filter(None, args.allow_missing.split(",")))
        done = convert_weights(args.source, args.to, prefixes, args.network)
    else:
        done = export_weights(
            args.source, args.to, args.checkpoint, args.network
        )
    print(done)


if __name__ == "__main__":
    main()
