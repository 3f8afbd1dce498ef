"""Where the images and masks of one's own folder lie.

    DIR/images, DIR/masks                   training images, and masks of some
    DIR/val/images, DIR/val/masks           optional; test/ as well
    DIR/train/images, DIR/train/masks       instead of DIR/images, DIR/masks
    DIR/images/val, DIR/masks/val           instead of DIR/val; test as well

Common other names of these folders are accepted; see NAMES and PARTS.
"""

import os
import pathlib
from typing import NamedTuple

from ipixmatch_jax.data.files import foreign_layouts, walk

# In lower case; the first name of each is the one that the docs use.
NAMES = {
    "images": ("images", "image", "imgs", "img", "photos", "photographs"),
    "masks": ("masks", "mask", "labels", "label", "annotations", "gt"),
}
PARTS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "validate"),
    "test": ("test", "testing"),
}


class Folders(NamedTuple):
    """Two folders relative to the root; masks is None if there is none."""

    images: str
    masks: str | None


class Layout(NamedTuple):
    """The folders of each part.

    Attributes:
      train: those of training.
      val: those of val; None where train's hold it, or there is none.
      test: those of test; None as for val.
      notes: sentences on names that were accepted or left aside.
    """

    train: Folders
    val: Folders | None
    test: Folders | None
    notes: tuple[str, ...]


def part_of(key: str) -> str:
    """The part that a path below images/ belongs to: train, val or test."""
    first = key.partition("/")[0].lower() if "/" in key else ""
    for part in ("val", "test"):
        if first in PARTS[part]:
            return part
    return "train"


def find_layout(root: pathlib.Path) -> Layout:
    """Finds the folders of images and masks.

    Raises:
      FileNotFoundError: there are none; says which other layout was
        recognised, and what the folder must hold.
      ValueError: two folders have the same role.
    """
    notes: list[str] = []
    folders = {}
    for part, names in PARTS.items():
        below = _one(root, names, part, notes)
        if below is not None:
            folders[part] = _pair(root, below, notes)
            if folders[part] is None:
                notes.append(
                    f"{root / below} holds no folder images/ and is left aside."
                )
    train = _pair(root, "", notes) or folders.get("train")
    if train is None or train.masks is None:
        raise FileNotFoundError(
            _one_too_deep(root)
            or foreign_layouts.answer(root, train.images if train else None)
        )
    notes += _unknown(root)
    other = folders.get("train")
    if other is not None and other != train:
        raise ValueError(
            f"{root} holds {train.images}/ and {other.images}/, "
            "and either could be the training images: keep one of them."
        )
    return Layout(train, folders.get("val"), folders.get("test"), tuple(notes))


def _one_too_deep(root: pathlib.Path) -> str:
    """The way out where the root is images/ or masks/ of a data set."""
    # The root may be "."; its path as given is the shorter one.
    root = root if root.name else root.absolute()
    for role, other in (("images", "masks"), ("masks", "images")):
        if root.name.lower() not in NAMES[role]:
            continue
        if _one(root.parent, NAMES[other], other, []) is not None:
            return (
                f"{root} is the folder of {role}: name the folder above it, "
                f"--config.data.root={root.parent}."
            )
    return ""


def _unknown(root: pathlib.Path) -> list[str]:
    """A sentence on each folder of images that has none of the names."""
    known = {n for names in (NAMES | PARTS).values() for n in names}
    notes = []
    for folder in sorted(root.iterdir()):
        name = folder.name
        if not folder.is_dir() or walk.is_tool_folder(name):
            continue
        if name.lower() not in known and _holds_images(folder):
            notes.append(
                f"{folder} holds images and is left aside: folders of images "
                "are called images/, train/, val/ and test/."
            )
    return notes


def _holds_images(folder: pathlib.Path) -> bool:
    """Whether images, or a folder called images, lie in a folder."""
    if not os.access(folder, os.R_OK | os.X_OK):
        return False
    return any(
        walk.ending(path.name) in walk.ENDINGS
        or (path.name.lower() in NAMES["images"] and path.is_dir())
        for path in folder.iterdir()
    )


def _pair(root: pathlib.Path, below: str, notes: list[str]) -> Folders | None:
    """The folders of images and masks in a folder; None without images."""
    folder = root / below
    images = _one(folder, NAMES["images"], "images", notes)
    if images is None:
        return None
    masks = _one(folder, NAMES["masks"], "masks", notes)
    if masks and foreign_layouts.holds_no_masks(folder / masks):
        masks = None
    prefix = f"{below}/" if below else ""
    return Folders(f"{prefix}{images}", masks and f"{prefix}{masks}")


def _one(
    folder: pathlib.Path, names: tuple[str, ...], role: str, notes: list[str]
) -> str | None:
    """The sub-folder that has one of some names; the first name wins."""
    found = {
        path.name.lower(): path.name
        for path in sorted(folder.iterdir())
        if path.name.lower() in names and path.is_dir()
    }
    if not found:
        return None
    if len(found) > 1 and names[0] not in found:
        raise ValueError(
            f"{folder} holds {' and '.join(found.values())}, and each could "
            f"be the folder of {role}: keep one, called {names[0]}."
        )
    chosen = found.get(names[0]) or next(iter(found.values()))
    others = [name for name in found.values() if name != chosen]
    if others:
        notes.append(
            f"{folder / chosen} is read, and {', '.join(others)} beside it is "
            "left aside."
        )
    elif chosen != names[0]:
        notes.append(f"{folder / chosen} is taken for {names[0]}/.")
    return chosen
