"""Where the images of an export lie in the prepared folder."""

import pathlib
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from ipixmatch_jax.data.files import walk
from ipixmatch_jax.data.files.folder_layout import NAMES, PARTS
from ipixmatch_jax.data.prepare.label_tools.export import Picture
from ipixmatch_jax.utils.counts import count_of

# An image in one of these folders is taken for their content.
_FOLDERS = (*NAMES["images"], "jpegimages", "default")


class Place(NamedTuple):
    """One image of the prepared folder.

    Attributes:
      picture: the image.
      part: "train", "val" or "test".
      name: its path below the images of the part.
    """

    picture: Picture
    part: str
    name: str

    @property
    def folder(self) -> str:
        """The folder that holds images/ and masks/ of the part."""
        return "" if self.part == "train" else f"{self.part}/"

    @property
    def image(self) -> str:
        """The path of the image in the prepared folder."""
        return f"{self.folder}images/{self.name}"

    @property
    def mask(self) -> str:
        """The path of the mask, if the picture has one."""
        stem = self.name[: -len(walk.ending(self.name))]
        return f"{self.folder}masks/{stem}.png"


def place_pictures(pictures: Sequence[Picture]) -> tuple[list[Place], list]:
    """Gives each image its part and its name; notes are sentences.

    Of an image that is listed with labels and again without any, as after an
    import of predictions as new tasks, the labelled entry counts.

    The part is the tool's split, or the one that a folder of the image is
    called; any other split counts as train. An image of val without a mask
    cannot be scored, and goes to train.

    Raises:
      ValueError: two images get one name, an image is listed twice, or a
        folder has a name that data sets pass over.
    """
    places, moved = [], 0
    pictures, notes = _without_doubles(pictures)
    for picture in pictures:
        part, name = _split(picture)
        if part == "val" and picture.draw is None:
            part, moved = "train", moved + 1
        places.append(Place(picture, part, name))
    _check_names(places)
    if moved:
        be = "is" if moved == 1 else "are"
        notes.append(
            f"{count_of(moved, 'image')} of val {be} not labelled, and "
            f"{be} put with the unlabelled ones of training."
        )
    return places, notes


def part_of(split: str) -> str:
    """The part that a tool's split means: "val" for "valid"; "" if unknown."""
    plain = split.strip().lower()
    return next((part for part, names in PARTS.items() if plain in names), "")


def _split(picture: Picture) -> tuple[str, str]:
    """The part of an image, and its name below that part's images."""
    *folders, base = picture.name.split("/")
    part = part_of(picture.part)
    while folders:
        first = folders[0].lower()
        if first in _FOLDERS or (part and part_of(first) == part):
            folders = folders[1:]
        elif not part and part_of(first):
            part, folders = part_of(first), folders[1:]
        else:
            break
    return part or "train", "/".join([*folders, base])


def _without_doubles(
    pictures: Sequence[Picture],
) -> tuple[list[Picture], list[str]]:
    """Leaves out entries without labels of images that are labelled too."""
    labelled = {_file(p) for p in pictures if p.draw is not None}
    doubles = [p for p in pictures if p.draw is None and _file(p) in labelled]
    out = set(map(id, doubles))
    kept = [p for p in pictures if id(p) not in out]
    if not doubles:
        return kept, []
    be = "is" if len(doubles) == 1 else "are"
    return kept, [
        f"{count_of(len(doubles), 'image')} {be} listed twice, once without "
        f"labels, which does not count: the first in {doubles[0].listed_in}."
    ]


def _file(picture: Picture) -> tuple[pathlib.Path, str]:
    """The file of the photograph."""
    return picture.photograph.files.source, picture.photograph.name


def _check_names(places: Sequence[Place]) -> None:
    seen: dict[tuple[str, str], Picture] = {}
    files: dict[tuple[pathlib.Path, str], Picture] = {}
    for place in places:
        picture = place.picture
        photograph = picture.photograph
        other = files.setdefault(_file(picture), picture)
        if other is not picture:
            raise ValueError(
                f"{picture.listed_in} and {other.listed_in} both list the "
                f"image {photograph.where}: keep one of them."
            )
        stem = place.name[: -len(walk.ending(place.name))]
        key = (place.folder, unicodedata.normalize("NFC", stem))
        other = seen.setdefault(key, picture)
        if other is not picture:
            raise ValueError(
                f"{photograph.where} and {other.photograph.where} would both "
                f"be {place.folder}images/{stem}: give one another name."
            )
        first, *_ = place.name.split("/")
        hidden = [p for p in place.name.split("/") if walk.is_tool_folder(p)]
        if hidden or (part_of(first) in ("val", "test") and "/" in place.name):
            raise ValueError(
                f"{photograph.where} lies in a folder called "
                f"{(hidden or [first])[0]!r}, which data sets pass over or "
                "take for a split: rename it in the label tool."
            )
