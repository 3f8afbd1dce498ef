"""The command that shows one run, or several, as one HTML page:

python -m ipixmatch_jax.report --workdir DIR
python -m ipixmatch_jax.report --workdir DIR --workdir OTHER
"""

import pathlib

from tqdm import tqdm

from ipixmatch_jax.experiment import restore
from ipixmatch_jax.experiment.class_list import (
    check_same_classes,
    read_classes,
)
from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.report import comparison, single, val_images
from ipixmatch_jax.report import run as report_run

IMAGES = 6
_WITHOUT = "No confusion matrix and no images:"


def page(
    workdirs: list[pathlib.Path],
    *,
    images: int = IMAGES,
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
        config = restore.load_checked_config(run.workdir, root)
        data = open_data(config)
    except (ValueError, FileNotFoundError) as error:
        notes.append(
            f"{_WITHOUT} {error} If the data set moved, --root names its "
            "folder."
        )
    else:
        recorded = read_classes(run.workdir)
        classes = check_same_classes(recorded, data, run.workdir)
        run = run._replace(class_names=classes.names)
        if images == 0:
            notes.append(f"{_WITHOUT} --images 0.")
        else:
            verdict = _judge(run.workdir, data, images, root, notes)
    return single.page(run, verdict, notes)


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
