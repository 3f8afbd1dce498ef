"""The options of commands that write predictions for label tools."""

import argparse
from typing import Any

from ipixmatch_jax.predict.formats.outlines import DEFAULT_TOLERANCE
from ipixmatch_jax.predict.formats.registry import FORMATS
from ipixmatch_jax.utils.registry import show

# Options of some formats alone, by the fields of Labelling that they set.
OPTIONS = {
    "tolerance": "polygons",
    "background": "background",
    "image_url": "image_url",
}


def add_format_options(
    parser: argparse.ArgumentParser, purpose: str, ending: str = ""
) -> None:
    """Adds --format and the options of single formats.

    Args:
      parser: of the command.
      purpose: of --format, for its help.
      ending: of its help, after the list of formats.
    """
    purposes = [f"{name} ({one.purpose})" for name, one in FORMATS.items()]
    parser.add_argument(
        "--format",
        choices=tuple(FORMATS),
        metavar="FORMAT",
        help=f"{purpose}: {', '.join(purposes)}{ending}",
    )
    parser.add_argument(
        "--polygons",
        nargs="?",
        type=tolerance,
        const=DEFAULT_TOLERANCE,
        metavar="PIXELS",
        help="write outlines that differ from the masks by this much at most "
        "(%(const)s if no number is given), not the exact masks",
    )
    parser.add_argument(
        "--background",
        action="store_true",
        default=None,
        help="annotate the class background too",
    )
    parser.add_argument(
        "--image-url",
        metavar="URL",
        help="what Label Studio finds the images below",
    )


def read_format_options(args: argparse.Namespace) -> dict[str, Any]:
    """The options that were given, by the fields of Labelling."""
    given = {f: getattr(args, name) for f, name in OPTIONS.items()}
    return {field: x for field, x in given.items() if x is not None}


def check_format_options(
    parser: argparse.ArgumentParser, args: argparse.Namespace
) -> None:
    """Ends the command where an option does not go with the format.

    Args:
      parser: of the command.
      args: as it parsed them.
    """
    options = FORMATS[args.format].options if args.format else ()
    for field in read_format_options(args):
        if field not in options:
            takers = [show(n) for n, x in FORMATS.items() if field in x.options]
            flag = OPTIONS[field].replace("_", "-")
            parser.error(f"--{flag} goes with --format {' or '.join(takers)}")


def tolerance(word: str) -> float:
    """A distance in pixels, from 0 to 10."""
    try:
        distance = float(word)
    except ValueError:
        distance = -1.0
    if not 0 <= distance <= 10:
        raise argparse.ArgumentTypeError(
            f"{word!r} is not a distance of 0 to 10 pixels"
        )
    return distance
