"""Writes one run, or several, as one HTML page:

python -m ipixmatch_jax.report --workdir DIR
python -m ipixmatch_jax.report --workdir DIR --workdir OTHER
"""

import argparse
import pathlib

from ipixmatch_jax.cli import arguments
from ipixmatch_jax.cli.report_errors import report_errors
from ipixmatch_jax.report.build import IMAGES, write_report


@report_errors("ipixmatch_jax.report")
def run() -> None:
    """Writes the page that the command line asks for."""
    args = _arguments()
    out = write_report(
        args.workdir, args.out, images=args.images, root=args.root
    )
    print(out)


def _arguments() -> argparse.Namespace:
    parser = arguments.parser(
        "ipixmatch_jax.report",
        description="Writes one HTML page that needs no other file: a run's "
        "curves, scores per class, confusion matrix, worst and best val "
        "images and config; or several runs side by side.",
    )
    parser.add_argument(
        "--workdir",
        type=pathlib.Path,
        required=True,
        action="append",
        metavar="DIR",
        help="a run's folder, or that of a sweep; give it several times to "
        "compare runs",
    )
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        metavar="FILE",
        help="the file to write (default: report.html, or comparison.html "
        "for several runs, in the first --workdir)",
    )
    parser.add_argument(
        "--images",
        type=arguments.whole_number,
        default=IMAGES,
        help="how many val images to show, half the worst, half the best; "
        "0: score nothing (default: %(default)s)",
    )
    parser.add_argument("--root", help="the data set's folder, if it moved")
    arguments.add_plugin_option(parser)
    return parser.parse_args()


if __name__ == "__main__":
    run()
