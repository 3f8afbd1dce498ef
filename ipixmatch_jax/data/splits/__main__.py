"""Gets split lists: `python -m ipixmatch_jax.data.splits download | make`."""

import argparse
import fractions
import pathlib
import re

from ipixmatch_jax.cli import arguments as usage
from ipixmatch_jax.cli.report_errors import report_errors
from ipixmatch_jax.data.splits.download import download
from ipixmatch_jax.data.splits.draw import draw_splits, layouts, split_name


def _parser() -> argparse.ArgumentParser:
    parser = usage.parser("ipixmatch_jax.data.splits")
    commands = parser.add_subparsers(dest="command", required=True)
    fetch = commands.add_parser(
        "download",
        help="the published lists of PASCAL VOC and Cityscapes",
        description="Fetches the published lists of PASCAL VOC and "
        "Cityscapes, and checks each against its sha256.",
    )
    fetch.add_argument(
        "--out",
        type=pathlib.Path,
        default=pathlib.Path("data/splits"),
        help="the folder to write to (default: %(default)s)",
    )
    draw = commands.add_parser(
        "make",
        help="a labelled share of the root's own train list",
        description="Draws a labelled share of the root's own train list; "
        "with one seed, smaller shares are part of larger ones.",
    )
    draw.add_argument(
        "--root",
        type=pathlib.Path,
        required=True,
        help=f"a folder that holds {', '.join(layouts())}",
    )
    draw.add_argument(
        "--labelled",
        type=_fraction,
        required=True,
        help="a fraction, such as 1/8",
    )
    draw.add_argument(
        "--seed",
        type=usage.whole_number,
        default=0,
        help="of the draw (default: 0)",
    )
    draw.add_argument(
        "--out",
        type=pathlib.Path,
        required=True,
        help="the folder that gets val.txt and the folder of the split",
    )
    return parser


def _fraction(word: str) -> fractions.Fraction:
    if not re.fullmatch(r"\d+/[1-9]\d*|\d*\.?\d+", word):
        raise argparse.ArgumentTypeError(
            f"{word!r} is not a fraction such as 1/8"
        )
    return fractions.Fraction(word)


@report_errors("ipixmatch_jax.data.splits")
def main(arguments: list[str] | None = None) -> None:
    """Runs `download` or `make`."""
    args = _parser().parse_args(arguments)
    if args.command == "download":
        paths = download(args.out)
        print(f"{len(paths)} lists are in {args.out}.")
        return
    counts = draw_splits(args.root, args.labelled, args.seed, args.out)
    share = split_name(args.labelled)
    print(
        f"{counts[0]} labelled and {counts[1]} unlabelled images are listed "
        f"in {args.out / share}, and val in {args.out}. Train with "
        f"--config.data.splits_dir={args.out} --config.data.split={share}."
    )


if __name__ == "__main__":
    main()
