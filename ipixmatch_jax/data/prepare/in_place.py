"""Makes a downloaded data set ready to train on, in its own folder:

python -m ipixmatch_jax.data.prepare coco --source DIR
"""

import importlib.util
import pathlib

from ipixmatch_jax.data.data_set_kind import Download
from ipixmatch_jax.data.downloads.unpack import unpack
from ipixmatch_jax.data.registry import DATASETS
from ipixmatch_jax.utils.counts import count_of


def unpack_archives(
    download: Download, source: pathlib.Path, folder: pathlib.Path
) -> list[str]:
    """Unpacks those archives that lie in `source`; gives their names.

    Raises:
      ValueError: what `Download.complete` will need is not installed.
    """
    if download.extra and importlib.util.find_spec(download.extra[0]) is None:
        package, extra = download.extra
        raise ValueError(
            f"The masks are drawn with {package}: install it with "
            f"`pip install 'ipixmatch_jax[{extra}]'`."
        )
    found = [name for name in download.archives if (source / name).is_file()]
    for name in found:
        unpack(source / name, folder, download.archives[name])
    return found


def is_download(name: str, source: pathlib.Path) -> bool:
    """Whether a folder holds a public data set, and no label tool's export.

    Told by one of its archives, or by what only comes out of these.

    Args:
      name: a key of DATASETS with a download.
      source: the folder, or a zip.
    """
    download = DATASETS[name].download
    marks = [] if download is None else [*download.archives, *download.marks]
    return any((source / mark).exists() for mark in marks)


def prepare_in_place(name: str, source: pathlib.Path) -> list[str]:
    """Unpacks a download where it lies and makes the masks that it lacks.

    What is there is kept: run again after it was killed, it goes on.

    Args:
      name: a key of DATASETS.
      source: the folder of the archives as downloaded, or of what was in
        them; it becomes config.data.root.

    Returns:
      lines for the user: the images of each list, beside the published
      number where it differs, and what else there is to know.

    Raises:
      FileNotFoundError: files of the data set are absent.
      ValueError: the data set has no download, or a file cannot be used.
    """
    kind = DATASETS[name]
    if kind.download is None or kind.open_contents is None:
        raise ValueError(
            f"{name} is read as it is; --out names the folder to pack it into."
        )
    if not source.is_dir():
        raise FileNotFoundError(
            f"No folder at {source}: {kind.download.how_to_get}."
        )
    unpack_archives(kind.download, source, source)
    notes = kind.download.complete(source) if kind.download.complete else ()
    contents = kind.open_contents(source)
    counts = {part: len(images) for part, images in contents.splits.items()}
    return [
        *(_count(part, counts[part], kind.download) for part in counts),
        *notes,
    ]


def _count(part: str, count: int, download: Download) -> str:
    published = download.images[part]
    if count == published:
        return f"{part}: {count_of(count, 'image')}"
    return f"{part}: {count} of {published} images"
