"""The command that shows one run, or several, as one HTML page:

python -m ipixmatch_jax.report --workdir DIR
python -m ipixmatch_jax.report --workdir DIR --workdir OTHER
"""

import argparse
import pathlib
import sys

from tqdm import tqdm

from ipixmatch_jax.cli import arguments
from ipixmatch_jax.configuration import saved
from ipixmatch_jax.data.registry import DataSet
from ipixmatch_jax.experiment import restore
from ipixmatch_jax.report import comparison, single, val_images
from ipixmatch_jax.report import run as report_run
from ipixmatch_jax.training import setup
from ipixmatch_jax.utils import atomic

_IMAGES = 6
_WITHOUT = "No confusion matrix and no images:"


def page(
    workdirs: list[pathlib.Path],
    *,
    images: int = _IMAGES,
    root: str | None = None,
) -> str:
    """The page of one run, or the comparison of several, as HTML.

    Args:
      workdirs: of the runs. A comparison reads what they logged; of a single
        run the best checkpoint's networks are scored on val too.
      images: how many of val to show, half the worst, half the best; 0 scores
        nothing.
      root: the data set's folder, if it is not where it was.

    Raises:
      FileNotFoundError: a folder is not the workdir of a run.
      ValueError: workdirs or images make no sense, or a file is broken.
    """
    if images < 0:
        raise ValueError(f"--images {images} is below 0.")
    found = report_run.read(workdirs)
    if len(found) > 1:
        return comparison.page(found)
    run, verdict, notes = found[0], None, []
    try:
        data = _open(run.workdir, root)
    except (ValueError, FileNotFoundError) as error:
        notes.append(
            f"{_WITHOUT} {error} If the data set moved, --root names its "
            "folder."
        )
    else:
        if not run.class_names:
            run = run._replace(class_names=tuple(data.class_names))
        if images == 0:
            notes.append(f"{_WITHOUT} --images 0.")
        else:
            verdict = _judge(run.workdir, data, images, root, notes)
    return single.page(run, verdict, notes)


def _open(workdir: pathlib.Path, root: str | None) -> DataSet:
    config = saved.load(workdir)
    if root is not None:
        config.data.root = root
    saved.check(config)
    return setup.open_data(config)


def _judge(workdir, data, images, root, notes):
    """What the networks make of val; None where a note says why not."""
    try:
        trained = _restore(workdir, root)
    except (ValueError, FileNotFoundError) as error:
        notes.append(f"{_WITHOUT} {error}")
        return None
    with tqdm(total=len(data.val), unit="image", desc="scoring val") as bar:
        verdict = val_images.judge(trained, data, images, bar.update)
    notes += [f"Left out of val: {sentence}" for sentence in verdict.bad]
    return verdict


def _restore(workdir: pathlib.Path, root: str | None) -> restore.Trained:
    """The best checkpoint, or the last where none was scored yet."""
    try:
        return restore.restore(workdir, "best", root)
    except FileNotFoundError:
        return restore.restore(workdir, "last", root)


def run() -> None:
    """Writes the page that the command line asks for."""
    args = _arguments()
    name = "report.html" if len(args.workdir) == 1 else "comparison.html"
    out = args.out or args.workdir[0] / name
    try:
        if out.is_dir() or not out.absolute().parent.is_dir():
            raise ValueError(
                f"--out {out} is not a file in a folder that is there."
            )
        text = page(args.workdir, images=args.images, root=args.root)
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"ipixmatch_jax: {error}")
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
        default=_IMAGES,
        help="of val to show, half the worst, half the best; 0 scores "
        "nothing (default: %(default)s)",
    )
    parser.add_argument("--root", help="the data set's folder, if it moved")
    return parser.parse_args()


if __name__ == "__main__":
    run()
