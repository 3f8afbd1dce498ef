"""Finds the files to predict and writes the pictures beside the predictions.

For an image `a/b.jpg` in the folder that was named:

    OUT/overlays/a/b.png      the colours over the image
    OUT/confidence/a/b.png    255 times the probability of the class
    OUT/predictions/a/b.tif   of large TIFFs (geotiff.py), and
    OUT/confidence/a/b.tif
    OUT/overlays/a/b.mp4      of videos (video_files.py), and
    OUT/confidence/a/b.mp4
    OUT/legend.png            the names of the colours
    OUT/predictions.json      what made the predictions, names and colours

The other predictions are written by the modules of formats/.
"""

import logging
import os
import pathlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from ipixmatch_jax.data.files import walk
from ipixmatch_jax.data.files.walk import ENDINGS
from ipixmatch_jax.predict.formats.base import LabelFormat
from ipixmatch_jax.predict.formats.registry import FORMATS
from ipixmatch_jax.predict.predictor import Prediction
from ipixmatch_jax.predict.video_reader import ENDINGS as VIDEO_ENDINGS
from ipixmatch_jax.utils import atomic, captions, pictures
from ipixmatch_jax.utils.atomic import write_json
from ipixmatch_jax.utils.counts import count_of
from ipixmatch_jax.utils.file_names import printable
from ipixmatch_jax.utils.json_files import read_json_object

_LOGGER = logging.getLogger(__name__)
KINDS = ("overlays", "confidence")
SETTINGS = "predictions.json"
IMAGES = "images"  # in SETTINGS: the folders that the images lie in
LEGEND = "legend.png"
_LEGEND_WIDTH = 480  # pixels

_SHOWN = 80  # characters of a wrong line in a message
_READ = (*ENDINGS, *VIDEO_ENDINGS)
_FAST = 1  # Lowest level of zlib: overlays are looked at, not kept.


class Item(NamedTuple):
    """One image or video to predict.

    Attributes:
      path: of the file.
      name: below the folders of the output, without ending, with slashes.
    """

    path: str
    name: str


def find_images(
    source: pathlib.Path | Sequence[Item],
    out: pathlib.Path,
    label_format: LabelFormat = FORMATS["masks"],
) -> list[Item]:
    """Finds the images and videos that a path names, in order.

    Args:
      source: an image or video, a folder with sub-folders, or a text file
        with a path per line, relative to its own folder; or the items
        themselves.
      out: the folder of the outputs, which are skipped.
      label_format: of the predictions.

    Raises:
      FileNotFoundError: there is no such path, or no image in it.
      ValueError: two images would have the same output, or an output would
        overwrite an image.
    """
    if isinstance(source, pathlib.Path):
        paths, names = _named_by(source, out)
    else:
        paths = [pathlib.Path(item.path) for item in source]
        names = [item.name for item in source]
    _check_names(paths, names)
    items = [Item(str(p), n) for p, n in zip(paths, names, strict=True)]
    _check_outputs(items, out, label_format)
    return items


def _named_by(
    source: pathlib.Path, out: pathlib.Path
) -> tuple[list[pathlib.Path], list[str]]:
    """The images that a path names, and their names; see Item."""
    if source.is_dir():
        paths, base = _walk(source, out), source
    elif not source.is_file():  # A pipe could block for ever.
        raise FileNotFoundError(
            f"No images at {source}: --images is an image, a video, a folder, "
            "or a text file with a path per line."
        )
    elif source.suffix.lower() in _READ:
        paths, base = [source], source.parent
    else:
        paths, base = _listed(source)
    if not paths:
        raise FileNotFoundError(
            f"{source} holds no images: they are files that end in "
            f"{', '.join(ENDINGS)}, in sub-folders too."
        )
    names = [p.relative_to(base).with_suffix("").as_posix() for p in paths]
    return paths, names


def _walk(folder: pathlib.Path, out: pathlib.Path) -> list[pathlib.Path]:
    folders = [f for each in FORMATS.values() for f in each.picture_folders]
    ours = {os.path.realpath(out / folder) for folder in (*KINDS, *folders)}
    walked = walk.walk_images(folder, exclude=ours, endings=_READ)
    for note in walked.notes(str(folder)):
        _LOGGER.warning("%s", printable(note))
    legend = os.path.realpath(out / LEGEND)  # ours, too
    paths = [pathlib.Path(folder, name) for name in walked.images]
    return [path for path in paths if os.path.realpath(path) != legend]


def _listed(source: pathlib.Path) -> tuple[list, pathlib.Path]:
    """The paths in a text file, and a folder that contains all of them."""
    try:
        lines = source.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{source} is neither an image ({', '.join(ENDINGS)}) nor a list "
            "of paths in UTF-8."
        ) from error
    base = pathlib.Path(os.path.abspath(source.parent))
    # A repeated line is one image; abspath resolves `..`.
    paths = dict.fromkeys(
        os.path.abspath(base / line.strip()) for line in lines if line.strip()
    )
    if paths and not any(map(os.path.exists, paths)):
        number, line = next((n, x) for n, x in enumerate(lines, 1) if x.strip())
        raise FileNotFoundError(
            f"Line {number} of {source} names {line.strip()[:_SHOWN]!r}, which "
            "does not exist, and no other line names a file that does: write "
            f"the path of an image on each line, relative to {base}."
        )
    if not all(pathlib.Path(path).is_relative_to(base) for path in paths):
        base = pathlib.Path(os.path.commonpath(map(os.path.dirname, paths)))
    return [pathlib.Path(path) for path in paths], base


def _check_names(paths, names) -> None:
    seen: dict[str, pathlib.Path] = {}
    for path, name in zip(paths, names, strict=True):
        is_video = walk.ending(path.name) in VIDEO_ENDINGS
        written = f"{name}.mp4" if is_video else f"{name}.png"
        if written in seen:
            raise ValueError(
                f"{seen[written]} and {path} differ only in their endings, "
                f"and both would be written to {written}: rename one of them."
            )
        seen[written] = path


def _check_outputs(
    items: list[Item], out: pathlib.Path, label_format: LabelFormat
) -> None:
    inputs = {os.path.realpath(item.path) for item in items}
    for item in items:
        outputs = image_paths(out, KINDS, label_format, item.name)
        large = geotiff_paths(out, KINDS, item.name).values()
        videos = video_paths(out, KINDS, item.name).values()
        for path in (*outputs, *large, *videos):
            if os.path.realpath(path) in inputs:
                raise ValueError(
                    f"{path} is one of the images and would be overwritten: "
                    "choose another --out."
                )


def picture_path(out: pathlib.Path, kind: str, name: str) -> pathlib.Path:
    """The file for one kind of picture of an image."""
    return out / kind / f"{name}.png"


def geotiff_paths(
    out: pathlib.Path, kinds: tuple[str, ...], name: str
) -> dict[str, pathlib.Path]:
    """The files of a TIFF that is predicted in windows, by what they hold."""
    files = ("predictions", *(kind for kind in kinds if kind != "overlays"))
    return {kind: out / kind / f"{name}.tif" for kind in files}


def video_paths(
    out: pathlib.Path, kinds: tuple[str, ...], name: str
) -> dict[str, pathlib.Path]:
    """The files of a video, by what they hold."""
    return {kind: out / kind / f"{name}.mp4" for kind in kinds}


def image_paths(
    out: pathlib.Path,
    kinds: tuple[str, ...],
    label_format: LabelFormat,
    name: str,
) -> list[pathlib.Path]:
    """All files that are written for an image."""
    files = [out / file for file in label_format.image_files(name)]
    return files + [picture_path(out, kind, name) for kind in kinds]


def find_missing(
    items: list[Item], outputs: Callable[[str], Iterable[pathlib.Path]]
) -> list[Item]:
    """The items that lack an output; outputs are whole or absent.

    Args:
      items: to predict.
      outputs: name of an item -> the files that are written for it.
    """
    return [
        item
        for item in items
        if not all(path.is_file() for path in outputs(item.name))
    ]


def check_settings(
    out: pathlib.Path,
    settings: dict[str, Any],
    of_formats: dict[str, dict[str, Any]] | None = None,
) -> None:
    """Writes down what makes the predictions, beside them.

    Args:
      out: the folder of the outputs, which may already hold some.
      settings: values that JSON can hold.
      of_formats: more of them, by the format that they are for. A folder may
        hold predictions in several formats.

    Raises:
      ValueError: the outputs in the folder were made with other settings, or
        the file that says so is torn.
    """
    path = out / SETTINGS
    formats = dict(of_formats or {})
    if path.exists():
        there = read_json_object(path, "choose another --out, or delete it")
        known = there.get("formats", {})
        _refuse_changes(out, there, settings)
        for name in formats.keys() & known.keys():
            _refuse_changes(out, known[name], formats[name])
        formats = known | formats
        settings = settings | {k: there[k] for k in [IMAGES] if k in there}
    out.mkdir(parents=True, exist_ok=True)
    write_json(path, settings | ({"formats": formats} if formats else {}))


def note_folders(out: pathlib.Path, items: list[Item], kept: int) -> str:
    """Writes down where the images lie, beside their predictions.

    Args:
      out: the folder of the outputs, after `check_settings`.
      items: all images of the command.
      kept: how many of them had their outputs already.

    Returns:
      a warning where those outputs may show other images of the same names;
      nothing is written down then. Otherwise "".
    """
    path = out / SETTINGS
    settings = read_json_object(path, "choose another --out, or delete it")
    known = settings.get(IMAGES, [])
    here = sorted({_folder(item) for item in items})
    new = [folder for folder in here if folder not in known]
    if kept and known and new:
        return (
            f"{out} holds outputs of the same names for images in "
            f"{', '.join(known)}. Those in {new[0]} have not been predicted "
            f"before: {count_of(kept, 'file')} skipped. If the images differ, "
            "choose another --out."
        )
    write_json(path, settings | {IMAGES: sorted({*known, *here})})
    return ""


def _folder(item: Item) -> str:
    """The folder that the name of an image is relative to."""
    path = pathlib.Path(os.path.abspath(item.path))
    stem = path.with_suffix("").as_posix()
    if stem.endswith(f"/{item.name}"):
        return stem.removesuffix(item.name).rstrip("/") or "/"
    return str(path.parent)


def _refuse_changes(out: pathlib.Path, there: dict, here: dict) -> None:
    changed = [key for key in here if there.get(key) != here[key]]
    if changed:
        raise ValueError(
            f"{out} holds predictions made with other settings "
            f"({', '.join(_change(there, here, key) for key in changed)}): "
            "choose another --out, or delete this folder."
        )


def _change(there: dict, here: dict, key: str) -> str:
    if isinstance(here[key], dict | list) and key != "scales":
        return f"other {key.replace('_', ' ')}"
    return f"{key.replace('_', ' ')} {there.get(key)} there, {here[key]} here"


def write_legend(out: pathlib.Path, class_names, palette) -> None:
    """Writes the names of the colours as a picture.

    Args:
      out: the folder of the outputs.
      class_names: one per class id.
      palette: one (red, green, blue) in 0..255 per class id.
    """
    entries = list(zip(class_names, palette, strict=True))
    legend = captions.draw_legend(entries, _LEGEND_WIDTH)
    with atomic.replace_file(out / LEGEND) as partial:
        Image.fromarray(legend).save(partial, format="PNG")


def write_pictures(
    out: pathlib.Path,
    kinds: tuple[str, ...],
    name: str,
    prediction: Prediction,
    palette,
) -> None:
    """Writes the pictures of an image, each whole or not at all.

    Args:
      out: the folder of the outputs.
      kinds: some of KINDS.
      name: of the image, see Item.
      prediction: for this image.
      palette: one (red, green, blue) in 0..255 per class id.
    """
    for kind in kinds:
        path = picture_path(out, kind, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replace_file(path) as partial:
            save_picture(partial, kind, prediction, palette)


def save_picture(
    to: pathlib.Path | BinaryIO, kind: str, prediction: Prediction, palette
) -> None:
    """Saves one kind of picture, of KINDS, as PNG; see `write_pictures`."""
    level = _FAST if kind == "overlays" else 6
    picture = draw_picture(kind, prediction, palette)
    picture.save(to, format="PNG", compress_level=level)


def draw_picture(kind: str, prediction: Prediction, palette) -> Image.Image:
    """One kind of picture, of KINDS, for an image; see `write_pictures`."""
    return _PICTURES[kind](prediction, palette)


def _overlay(prediction: Prediction, palette) -> Image.Image:
    mixed = pictures.overlay(prediction.image, prediction.ids, palette)
    return Image.fromarray(mixed)


def _confidence(prediction: Prediction, palette) -> Image.Image:
    del palette
    levels = np.round(255 * np.clip(prediction.confidence, 0, 1))
    return Image.fromarray(levels.astype(np.uint8))


_PICTURES = {
    "overlays": _overlay,
    "confidence": _confidence,
}
