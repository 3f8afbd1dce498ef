"""Folders as labelling tools export them: recognised, and answered.

None of these is read. `answer` says which one it is, by which files, and what
the folder must hold instead.
"""

import json
import os
import pathlib
from collections.abc import Callable

from ipixmatch_jax.data.files import walk
from ipixmatch_jax.data.files.class_list import voc_colour

_ENOUGH = 200  # Files of a folder that are looked at.
_TASTE = 65_536  # Bytes of a JSON file that are looked at, at either end.
MUST_HOLD = (
    "images/ with photographs and masks/ with a PNG for each labelled one, "
    "under the image's name (docs/own_data.md)"
)


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
    for recognise in _KNOWN:
        sentence = recognise(root, images)
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


def _cvat(root: pathlib.Path, images: str | None) -> str:
    if not (root / "SegmentationClass").is_dir():
        return ""
    sentence = (
        f"{root} looks like an export of CVAT or a VOC data set (JPEGImages/, "
        "SegmentationClass/): rename JPEGImages to images and "
        "SegmentationClass to masks"
    )
    labels = root / "labelmap.txt"
    if labels.is_file():
        classes = {}
        for line in labels.read_text("utf-8", "replace").splitlines():
            name, _, rest = line.partition(":")
            colour = rest.partition(":")[0].split(",")
            if all(c.isdigit() for c in colour) and not line.startswith("#"):
                classes[name] = [int(c) for c in colour]
        sentence += (
            f", and write labelmap.txt as classes.json: {_text(classes)}"
        )
    return f"{sentence}."


def _roboflow(root: pathlib.Path, images: str | None) -> str:
    for folder in (root, *(root / p for p in ("train", "valid", "test"))):
        listed = folder / "_classes.csv"
        pairs = [n for n in _files(folder) if n.endswith("_mask.png")]
        if pairs and listed.is_file():
            rows = listed.read_text("utf-8-sig", "replace").splitlines()[1:]
            names = [r.split(",", 1)[1].strip() for r in rows if "," in r]
            classes = {n: list(voc_colour(k)) for k, n in enumerate(names)}
            return (
                f"{folder} looks like Roboflow's semantic masks "
                f"({pairs[0]}, _classes.csv): move the photographs to images/ "
                "and each NAME_mask.png to masks/NAME.png, and write "
                f"_classes.csv as classes.json: {_text(classes)}."
            )
    return ""


def _supervisely(root: pathlib.Path, images: str | None) -> str:
    if (root / "meta.json").is_file() and any(root.glob("*/ann")):
        return (
            f"{root} looks like a project of Supervisely (meta.json, "
            "ann/): export it there as masks, and use its machine masks."
        )
    return ""


def _coco(root: pathlib.Path, images: str | None) -> str:
    for folder in (root, *_folders(root)):
        for name in _files(folder):
            if walk.ending(name) == ".json" and _is_coco(folder / name):
                return (
                    f"{folder / name} looks like annotations of COCO: "
                    "polygons and run lengths are not read, so draw them "
                    "into PNG masks first, for example with pycocotools' "
                    "annToMask."
                )
    return ""


def _labelme(root: pathlib.Path, images: str | None) -> str:
    for folder in (root, *_folders(root)):
        for name in _files(folder):
            if walk.ending(name) == ".json":
                taste = _taste(folder / name)
                if '"shape_type"' in taste and '"imagePath"' in taste:
                    return (
                        f"{folder / name} looks like a file of LabelMe: "
                        "polygons are not read, so draw them into PNG masks "
                        "first, for example with labelme_export_json or "
                        "labelme2voc."
                    )
    return ""


def _boxes(root: pathlib.Path, images: str | None) -> str:
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


_KNOWN: tuple[Callable[[pathlib.Path, str | None], str], ...] = (
    _cvat,
    _roboflow,
    _supervisely,
    _coco,
    _labelme,
    _boxes,
)


def _is_coco(path: pathlib.Path) -> bool:
    taste = _taste(path)
    return '"annotations"' in taste and '"images"' in taste


def _taste(path: pathlib.Path) -> str:
    """The beginning and the end of a text file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        text = file.read(_TASTE)
        if size > _TASTE:
            file.seek(max(_TASTE, size - _TASTE))
            text += file.read(_TASTE)
    return text.decode("utf-8", "replace")


def _files(folder: pathlib.Path) -> list[str]:
    """The first files of a folder by name; none if there is no folder."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = sorted(e.name for e in entries if e.is_file())
    return [n for n in names if not n.startswith(".")][:_ENOUGH]


def _folders(root: pathlib.Path) -> list[pathlib.Path]:
    """Two levels of sub-folders, without those of tools."""
    first = [p for p in sorted(root.iterdir()) if p.is_dir()]
    first = [p for p in first if not walk.is_tool_folder(p.name)]
    second = [p for f in first for p in sorted(f.iterdir()) if p.is_dir()]
    return [*first, *second]


def _text(classes: dict) -> str:
    return json.dumps(classes, ensure_ascii=False)
