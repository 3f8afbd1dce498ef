"""Folders as labelling tools export them: recognised, and answered.

None of these is trained on as it is. `answer` says which one it is, by which
file, and which command or which change makes the folder that is needed.
"""

import os
import pathlib
import zipfile
from collections.abc import Callable
from typing import NamedTuple

from ipixmatch_jax.cli.commands import call_of
from ipixmatch_jax.data.files import open_file, walk

_ENOUGH = 200  # Files of a folder that are looked at.
_TASTE = 65_536  # Bytes of a JSON file that are looked at, at either end.
MUST_HOLD = (
    "images/ with photographs and masks/ with a PNG for each labelled one, "
    "under the image's name (docs/own_data.md)"
)


class FoundExport(NamedTuple):
    """An export that was recognised.

    Attributes:
      tool: a name that data/prepare knows.
      file: by which it was recognised.
      what: what the file looks like, for messages.
    """

    tool: str
    file: pathlib.Path
    what: str


def holds_no_masks(folder: pathlib.Path) -> bool:
    """Whether a folder called labels or annotations holds text alone."""
    names = _files(folder)
    texts = [n for n in names if walk.ending(n) in (".txt", ".json", ".xml")]
    pictures = [
        n for n in names if walk.ending(n) in (*walk.ENDINGS, *walk.UNREAD)
    ]
    return bool(texts) and not pictures


def answer(root: pathlib.Path, images: str | None) -> str:
    """What to say of a folder without masks/ or without images/.

    Args:
      root: the folder.
      images: the folder of images below it, if it has one.
    """
    export = answer_export(root)
    if export:
        return export
    for recognise in _UNREAD:
        sentence = recognise(root)
        if sentence:
            return f"{sentence} Training needs {MUST_HOLD}."
    missing = "images/" if images is None else "masks/"
    here = [n for n in _files(root) if walk.ending(n) in walk.ENDINGS]
    hint = (
        f" {len(here)} images lie in {root} itself: move them to images/."
        if here and images is None
        else ""
    )
    return (
        f"{root} has no folder {missing}: a data set of one's own has "
        f"{MUST_HOLD}.{hint}"
    )


def answer_export(root: pathlib.Path) -> str:
    """What to say of an export of a label tool; "" if it is none."""
    export = find_export(root)
    if export is None:
        return ""
    return (
        f"{export.file} looks like {export.what}: "
        f"`{call_of('prepare')} {export.tool} --source {root} --out DIR` "
        f"makes a folder of it that can be trained on. That is {MUST_HOLD}."
    )


def find_export(root: pathlib.Path) -> FoundExport | None:
    """The label tool whose export a folder, zip or file is, or None."""
    if root.is_file():
        return _find_in_file(root)
    for folder in (root, *_folders(root)):
        labels = folder / "labelmap.txt"
        if labels.is_file() and (folder / "SegmentationClass").is_dir():
            what = 'a "Segmentation mask" export of CVAT'
            return FoundExport("cvat", labels, what)
        if (folder / "_classes.csv").is_file() and _has_masks(folder):
            path = folder / "_classes.csv"
            return FoundExport("roboflow", path, "masks of Roboflow")
        for name in _files(folder, ".json", ".xml"):
            path = folder / name
            tool, what = _tool_of(path, _taste(path))
            if tool:
                return FoundExport(tool, path, what)
    return None


def _find_in_file(path: pathlib.Path) -> FoundExport | None:
    """`find_export` of a zip, or of a JSON or XML file alone."""
    if walk.ending(path.name) in (".json", ".xml"):
        tool, what = _tool_of(path, _taste(path))
        return FoundExport(tool, path, what) if tool else None
    try:
        with zipfile.ZipFile(path) as archive:
            tool, what = _tool_of_zip(archive)
    except (*open_file.MALFORMED, zipfile.BadZipFile):
        return None
    return FoundExport(tool, path, what) if tool else None


def _tool_of_zip(archive: zipfile.ZipFile) -> tuple[str, str]:
    names = [pathlib.PurePosixPath(name) for name in archive.namelist()]
    bases = {name.name for name in names}
    if "labelmap.txt" in bases:
        return "cvat", 'a "Segmentation mask" export of CVAT'
    if "_classes.csv" in bases:
        return "roboflow", "masks of Roboflow"
    texts = [n for n in names if walk.ending(n.name) in (".json", ".xml")]
    for name in texts[:_ENOUGH]:
        with archive.open(str(name)) as file:
            taste = file.read(_TASTE).decode("utf-8", "replace")
        tool, what = _tool_of(name, taste)
        if tool:
            return tool, what
    return "", ""


def _has_masks(folder: pathlib.Path) -> bool:
    return any(name.endswith("_mask.png") for name in _files(folder, ".png"))


def _tool_of(path: pathlib.PurePath, taste: str) -> tuple[str, str]:
    """The tool that wrote a file, and what the file is; "" if none did."""
    if walk.ending(path.name) == ".xml":
        found = "<annotations" in taste and "<meta>" in taste
        what = 'a "CVAT for images" export'
        return ("cvat", what) if found else ("", "")
    if '"shape_type"' in taste and '"imagePath"' in taste:
        return "labelme", "a file of LabelMe"
    if '"annotations"' in taste and '"images"' in taste:
        roboflow = path.name == "_annotations.coco.json"
        what = "annotations of Roboflow" if roboflow else "annotations of COCO"
        return "roboflow" if roboflow else "coco", what
    studio = ('"annotations"', '"data"', '"result"')
    if taste.lstrip().startswith("[") and all(w in taste for w in studio):
        return "labelstudio", "tasks of Label Studio"
    return "", ""


def _voc(root: pathlib.Path) -> str:
    if not (root / "SegmentationClass").is_dir():
        return ""
    return (
        f"{root} looks like a VOC data set (JPEGImages/, SegmentationClass/): "
        "rename JPEGImages to images and SegmentationClass to masks."
    )


def _supervisely(root: pathlib.Path) -> str:
    if (root / "meta.json").is_file() and any(root.glob("*/ann")):
        return (
            f"{root} looks like a project of Supervisely (meta.json, "
            "ann/): export it there as masks, and use its machine masks."
        )
    return ""


def _boxes(root: pathlib.Path) -> str:
    for folder in _folders(root):
        names = [n for n in _files(folder) if not n.startswith("classes.")]
        if names and folder.name.lower() in ("labels", "annotations"):
            kinds = {walk.ending(name) for name in names}
            if kinds <= {".txt", ".xml"}:
                return (
                    f"{folder / names[0]} looks like boxes or polygons of "
                    "YOLO or of VOC's detection: they are not read, so export "
                    "or draw PNG masks, one per image."
                )
    return ""


_UNREAD: tuple[Callable[[pathlib.Path], str], ...] = (
    _voc,
    _supervisely,
    _boxes,
)


def _taste(path: pathlib.Path) -> str:
    """The beginning and the end of a text file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        text = file.read(_TASTE)
        if size > _TASTE:
            file.seek(max(_TASTE, size - _TASTE))
            text += file.read(_TASTE)
    return text.decode("utf-8", "replace")


def _files(folder: pathlib.Path, *endings: str) -> list[str]:
    """The first files of a folder by name; none if there is no folder.

    Args:
      folder: the folder.
      endings: that the files have, in lower case; (): any.
    """
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = sorted(e.name for e in entries if e.is_file())
    names = [n for n in names if not n.startswith(".")]
    if endings:
        names = [n for n in names if walk.ending(n) in endings]
    return names[:_ENOUGH]


def _folders(root: pathlib.Path) -> list[pathlib.Path]:
    """Two levels of sub-folders, without those of tools."""
    first = [p for p in sorted(root.iterdir()) if p.is_dir()]
    first = [p for p in first if not walk.is_tool_folder(p.name)]
    second = [p for f in first for p in sorted(f.iterdir()) if p.is_dir()]
    return [*first, *second]
