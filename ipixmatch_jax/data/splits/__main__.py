"""Gets split lists:

python -m ipixmatch_jax.data.splits download | complete | make
"""

import argparse
import fractions
import pathlib
import re

from ipixmatch_jax.cli import arguments as usage
from ipixmatch_jax.cli.report_errors import report_errors
from ipixmatch_jax.data.splits.complete import complete_splits
from ipixmatch_jax.data.splits.download import download_lists, list_folders
from ipixmatch_jax.data.splits.draw import draw_splits, split_name
from ipixmatch_jax.data.splits.own_lists import layouts


def _parser() -> argparse.ArgumentParser:
    parser = usage.parser("ipixmatch_jax.data.splits")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_download(commands)
    _add_complete(commands)
    _add_make(commands)
    return parser


def _add_download(commands) -> None:
    fetch = commands.add_parser(
        "download",
        help="the published lists",
        description="Fetches the published lists of PASCAL VOC, Cityscapes, "
        "ADE20K and COCO, and checks each against its sha256. COCO's "
        "unlabelled lists come with `complete`.",
    )
    fetch.add_argument(
        "--out",
        type=pathlib.Path,
        default=pathlib.Path("data/splits"),
        help="the folder to write to (default: %(default)s)",
    )
    fetch.add_argument(
        "--only",
        nargs="+",
        choices=list_folders(),
        default=(),
        help="the data sets to fetch the lists of (default: all)",
    )


def _add_complete(commands) -> None:
    complete = commands.add_parser(
        "complete",
        help="the unlabelled lists of a published set that has only the "
        "labelled ones",
        description="Writes <split>/unlabeled.txt beside each labeled.txt "
        "that lacks it: the rest of the root's own train list, in order.",
    )
    complete.add_argument(
        "--root",
        type=pathlib.Path,
        required=True,
        help="the folder of the data set",
    )
    complete.add_argument(
        "--out",
        type=pathlib.Path,
        required=True,
        help="the folder of the splits, such as data/splits/coco",
    )


def _add_make(commands) -> None:
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


def _fraction(word: str) -> fractions.Fraction:
    if not re.fullmatch(r"\d+/[1-9]\d*|\d*\.?\d+", word):
        raise argparse.ArgumentTypeError(
            f"{word!r} is not a fraction such as 1/8"
        )
    return fractions.Fraction(word)


@report_errors("ipixmatch_jax.data.splits")
def main(arguments: list[str] | None = None) -> None:
    """Runs `download`, `complete` or `make`."""
    args = _parser().parse_args(arguments)
    if args.command == "download":
        paths = download_lists(args.out, args.only)
        print(f"{len(paths)} lists are in {args.out}.")
        return
    if args.command == "complete":
        for split, count in complete_splits(args.root, args.out).items():
            print(f"{args.out / split}: {count} unlabelled images")
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
