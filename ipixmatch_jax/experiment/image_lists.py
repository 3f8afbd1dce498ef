"""The images that a run learns from and is scored on, kept in its workdir."""

import logging
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

from ml_collections import FrozenConfigDict

from ipixmatch_jax.data.registry import DataSet
from ipixmatch_jax.data.source import Source
from ipixmatch_jax.utils.atomic import write_json
from ipixmatch_jax.utils.counts import count_of
from ipixmatch_jax.utils.file_names import printable
from ipixmatch_jax.utils.json_files import read_json_object

FILE = "images.json"
_WAY_OUT = "put back a copy of it, or train a new run in another --workdir"
_LOGGER = logging.getLogger(__name__)


class ImageLists(NamedTuple):
    """Names of images, relative to the folder of the data set and sorted.

    Attributes:
      labelled: the training images with masks.
      val: the images that choose the best checkpoint.
    """

    labelled: tuple[str, ...]
    val: tuple[str, ...]


def images_of(data: DataSet) -> ImageLists:
    """The lists of a data set."""
    return ImageLists(_names(data.labelled), _names(data.val))


def _names(source: Source) -> tuple[str, ...]:
    return tuple(sorted(printable(source.name(i)) for i in range(len(source))))


def write_images(images: ImageLists, workdir: pathlib.Path) -> None:
    """Writes a run's lists into its workdir."""
    write_json(workdir / FILE, images._asdict())


def read_images(workdir: pathlib.Path) -> ImageLists | None:
    """The lists of the run in a workdir; None: the run recorded none.

    Raises:
      ValueError: the file does not hold such lists.
    """
    path = workdir / FILE
    if not path.exists():
        return None
    record = read_json_object(path, _WAY_OUT)
    found = [record.get(part) for part in ImageLists._fields]
    lists = [tuple(map(str, x)) for x in found if isinstance(x, list)]
    if len(lists) < len(found):
        raise ValueError(
            f"{path} does not hold the lists that the run wrote: {_WAY_OUT}."
        )
    return ImageLists(*lists)


def check_same_images(
    recorded: ImageLists | None,
    data: DataSet,
    config: FrozenConfigDict,
    workdir: pathlib.Path,
) -> None:
    """Checks that a run goes on with the images that it began with.

    A run that recorded none is warned about. With folds it is refused, since
    versions that recorded none put other images into the folds of a folder.

    Args:
      recorded: of the run; None: it recorded none.
      data: the open data set.
      config: of the run.
      workdir: of the run, for the message.

    Raises:
      ValueError: a list differs; the first image that does is named.
    """
    if recorded is None:
        _accept_unrecorded(config, workdir)
        return
    there = images_of(data)
    for part in ImageLists._fields:
        old, new = getattr(recorded, part), getattr(there, part)
        if old != new:
            raise ValueError(
                f"The {part} images are not those that {workdir} began with "
                f"({_difference(old, new)}): put the old ones back, or start "
                f"a new run from this one with --continue-from {workdir} and "
                "another --workdir."
            )


def warn_of_other_val(data: DataSet, workdir: pathlib.Path) -> None:
    """Says so where a run is scored on another val than it recorded."""
    recorded = read_images(workdir)
    there = _names(data.val)
    if recorded is not None and recorded.val != there:
        _LOGGER.warning(
            "WARNING: the val images are not those that %s began with (%s), "
            "and it may have learnt from some of them.",
            workdir,
            _difference(recorded.val, there),
        )


def _accept_unrecorded(config: FrozenConfigDict, workdir: pathlib.Path) -> None:
    if config.data.folds:
        raise ValueError(
            f"An older version wrote {workdir} without {FILE}, and its run is "
            f"on config.data.folds={config.data.folds}, whose folds may have "
            "held other images: train a new run in another --workdir."
        )
    _LOGGER.warning(
        "An older version wrote %s without lists of images: whether they are "
        "still the same is not checked.",
        workdir,
    )


def _difference(old: Sequence[str], new: Sequence[str]) -> str:
    """Such as "5 images then and 6 now; a.jpg was not among them"."""
    words = f"{count_of(len(old), 'image')} then and {len(new)} now"
    gone, come = sorted({*old} - {*new}), sorted({*new} - {*old})
    if gone:
        words += f"; {gone[0]} is no longer among them"
    if come:
        words += f"; {come[0]} was not among them"
    return words
