"""Writes one run, or several, as one HTML page:

python -m ipixmatch_jax.report --workdir DIR
python -m ipixmatch_jax.report --workdir DIR --workdir OTHER
"""

import argparse
import pathlib

from ipixmatch_jax.cli import arguments
from ipixmatch_jax.cli.report_errors import report_errors
from ipixmatch_jax.report.build import IMAGES, page
from ipixmatch_jax.utils import atomic


@report_errors("ipixmatch_jax.report")
def run() -> None:
    """Writes the page that the command line asks for."""
    args = _arguments()
    name = "report.html" if len(args.workdir) == 1 else "comparison.html"
    out = args.out or args.workdir[0] / name
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise ValueError(
            f"--out {out} is not a file in a folder that is there."
        )
    text = page(args.workdir, images=args.images, root=args.root)
    with atomic.replacing(out) as partial:
        partial.write_text(text, encoding="utf-8")
    print(out)


def _arguments() -> argparse.Namespace:
    parser = arguments.parser(
        "ipixmatch_jax.report",
        description="Writes one HTML page that needs nothing beside itself: "
        "a run's curves, scores per class, confusion matrix, worst and best "
        "val images and config; or several runs side by side.",
    )
    parser.add_argument(
        "--workdir",
        type=pathlib.Path,
        required=True,
        action="append",
        metavar="DIR",
        help="a run's folder; twice or more often: a comparison",
    )
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        metavar="FILE",
        help="the page (default: report.html, or of several runs "
        "comparison.html, in the first --workdir)",
    )
    parser.add_argument(
        "--images",
        type=int,
        default=IMAGES,
        help="of val to show, half the worst, half the best; 0 scores "
        "nothing (default: %(default)s)",
    )
    parser.add_argument("--root", help="the data set's folder, if it moved")
    return parser.parse_args()


if __name__ == "__main__":
    run()
