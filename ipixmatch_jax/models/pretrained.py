"""The command that turns weights of others into ours, and ours into theirs:

python -m ipixmatch_jax.models.pretrained convert IN --to OUT.safetensors
python -m ipixmatch_jax.models.pretrained export IN --to OUT.pth
"""

import argparse
import logging
import pathlib

from ipixmatch_jax.cli import arguments
from ipixmatch_jax.cli.report_errors import report_errors
from ipixmatch_jax.experiment.convert_weights import convert, export
from ipixmatch_jax.models.weights import files

_MODULE = "ipixmatch_jax.models.pretrained"


def _parser() -> argparse.ArgumentParser:
    parser = arguments.parser(
        _MODULE,
        description="Turns weights of others into ours, and ours into theirs.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    here = commands.add_parser(
        "convert",
        help="weights of others into ours",
        **arguments.describe(_MODULE, ("convert",)),
    )
    here.add_argument("source", metavar="IN", help="a file, or a hub name")
    here.add_argument(
        "--allow-missing",
        default="",
        metavar="PREFIXES",
        help="comma-separated beginnings of names that IN may lack",
    )
    here.add_argument(
        "--network",
        choices=files.NETWORKS,
        help="of a training checkpoint; default: the first that is there",
    )
    back = commands.add_parser(
        "export",
        help="our weights into the reference's",
        **arguments.describe(_MODULE, ("export",)),
    )
    back.add_argument(
        "source", metavar="IN", help="a workdir, or a file of ours"
    )
    back.add_argument(
        "--checkpoint",
        choices=("best", "last"),
        default="best",
        help="of a workdir (default: %(default)s)",
    )
    back.add_argument(
        "--network",
        help="student or teacher of a workdir, or with cps twin; default: "
        "the one that scored best on val",
    )
    for command in (here, back):
        command.add_argument(
            "--to",
            required=True,
            type=pathlib.Path,
            metavar="OUT",
            help="a .safetensors file, or with export a .pth file",
        )
    return parser


@report_errors(_MODULE)
def main() -> None:
    """Runs `convert` or `export`."""
    args = _parser().parse_args()
    logging.basicConfig(format="%(message)s", force=True)
    logging.getLogger("ipixmatch_jax").setLevel(logging.INFO)
    if args.command == "convert":
        prefixes = tuple(filter(None, args.allow_missing.split(",")))
        done = convert(args.source, args.to, prefixes, args.network)
    else:
        done = export(args.source, args.to, args.checkpoint, args.network)
    print(done)


if __name__ == "__main__":
    main()
