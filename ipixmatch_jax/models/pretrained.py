"""Converts weights from other projects, and exports ours to PyTorch or ONNX:

python -m ipixmatch_jax.models.pretrained convert IN --to OUT.safetensors
python -m ipixmatch_jax.models.pretrained export IN --to OUT.pth
python -m ipixmatch_jax.models.pretrained export RUN --to OUT.onnx
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
from ipixmatch_jax.predict import workdir
from ipixmatch_jax.predict.workdir import EXPORTED, SMALLEST

_MODULE = "ipixmatch_jax.models.pretrained"


def _parser() -> argparse.ArgumentParser:
    parser = arguments.parser(
        _MODULE,
        description="Converts weights from other projects into this project's "
        "files, and exports this project's networks to PyTorch or ONNX.",
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
        help="export a trained network to PyTorch or ONNX",
        **arguments.describe(_MODULE, ("export",)),
    )
    _add_export_arguments(export_parser)
    for command in (convert_parser, export_parser):
        command.add_argument(
            "--to",
            required=True,
            type=pathlib.Path,
            metavar="OUT",
            help="a .safetensors file; export also takes .pth and .onnx files",
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
        "source",
        metavar="IN",
        help="a workdir, or for PyTorch also a file from convert",
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
    parser.add_argument(
        "--format",
        choices=("torch", "onnx"),
        help="of OUT; default: the one that its ending says",
    )
    parser.add_argument(
        "--size",
        type=_sides,
        metavar="HEIGHT[xWIDTH]",
        help="pixels of the images that an ONNX file takes (default: "
        f"{EXPORTED}, or the side of the crops)",
    )
    arguments.add_plugin_option(parser)


def _sides(word: str) -> tuple[int, int]:
    """Height and width, such as 512x1024, or one number for both."""
    height, _, width = word.partition("x")
    sides = [height, width or height]
    if not all(s.isdecimal() and int(s) >= SMALLEST for s in sides):
        raise argparse.ArgumentTypeError(
            f"{word!r} is not a size in pixels such as 512 or 512x1024, with "
            f"sides of {SMALLEST} or more"
        )
    return int(sides[0]), int(sides[1])


def _export(args: argparse.Namespace) -> str:
    ending = "onnx" if args.to.suffix == ".onnx" else "torch"
    kind = args.format or ending
    if kind != ending:
        raise ValueError(
            f"--format {kind} does not go with {args.to}: an ONNX file ends "
            "in .onnx, a file for PyTorch in .safetensors or .pth."
        )
    if kind == "onnx":
        return workdir.export_onnx(
            pathlib.Path(args.source),
            args.to,
            network=args.network or "best",
            checkpoint=args.checkpoint,
            size=args.size,
        )
    if args.size is not None:
        raise ValueError("--size goes with an ONNX file alone.")
    return export_weights(args.source, args.to, args.checkpoint, args.network)


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
        done = _export(args)
    print(done)


if __name__ == "__main__":
    main()
