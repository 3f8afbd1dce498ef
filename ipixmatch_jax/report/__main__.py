"""Writes one run, or several, as one HTML page:

python -m ipixmatch_jax.report --workdir DIR
python -m ipixmatch_jax.report --workdir DIR --workdir OTHER
"""

import argparse
import pathlib
import sys

from ipixmatch_jax.cli import arguments
from ipixmatch_jax.configuration import saved
from ipixmatch_jax.report.build import IMAGES, build_page
from ipixmatch_jax.utils import atomic


def run() -> None:
    """Writes the page that the command line asks for."""
    args = _arguments()
    name = "report.html" if len(args.workdir) == 1 else "comparison.html"
    out = args.out or args.workdir[0] / name
    try:
        _check_out(out, args.workdir[0])
        text = build_page(args.workdir, images=args.images, root=args.root)
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"ipixmatch_jax: {error}")
    with atomic.replacing(out) as partial:
        partial.write_text(text, encoding="utf-8")
    print(out)


def _check_out(out: pathlib.Path, workdir: pathlib.Path) -> None:
    """Refuses a page that cannot be written, before anything is scored."""
    folder = out.absolute().parent
    if out.is_dir():
        raise ValueError(f"--out {out} is a folder: name a file in it.")
    if not folder.is_dir():
        if folder == workdir.absolute():
            saved.load(workdir)  # Says that there is no such run.
        raise ValueError(
            f"The folder of --out {out} does not exist: make {folder}, or "
            "name another file."
        )


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
        help="a run's folder; give it several times to compare runs",
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
    return parser.parse_args()


if __name__ == "__main__":
    run()
