"""Which images of a folder have a mask: the same path but for the ending."""

import pathlib
import unicodedata
from collections import Counter
from typing import NamedTuple

from ipixmatch_jax.data.files import walk
from ipixmatch_jax.data.files.split_list import Entry

_KEEP_IDS = (".png", ".bmp", ".tif", ".tiff")


class Pairs(NamedTuple):
    """The images of two folders, in the order of their keys.

    Attributes:
      entries: (image, mask or None) relative to the root, by the image's
        path below its folder without the ending.
      notes: sentences on files that were left aside.
    """

    entries: dict[str, Entry]
    notes: tuple[str, ...]

    def labelled(self) -> list[Entry]:
        """The entries with a mask."""
        return [entry for entry in self.entries.values() if entry[1]]

    def unlabelled(self) -> list[Entry]:
        """The entries without a mask."""
        return [entry for entry in self.entries.values() if not entry[1]]


def find_pairs(root: pathlib.Path, images: str, masks: str | None) -> Pairs:
    """Pairs the images of one folder with the masks of another.

    Names may be composed differently (é as one letter or as two), as when
    one folder was packed on a Mac.

    Args:
      root: of the data set.
      images: the folder of the images, relative to the root.
      masks: that of the masks; None: there is none, and no image has one.

    Raises:
      FileNotFoundError: there are no images.
      ValueError: a mask is a JPEG or the like, a mask has no image, or two
        files share a name.
    """
    walked = walk.walk_images(root / images)
    found = _by_key(root, images, walked.images)
    if not found:
        unread = walked.unread
        hint = f" {walk.unread_words(images, unread)}" if unread else ""
        raise FileNotFoundError(
            f"{root / images} holds no images: they are files that end in "
            f"{', '.join(walk.ENDINGS)}, in sub-folders too.{hint}"
        )
    drawn: dict[str, str] = {}
    notes = walked.notes(images)
    if masks is not None:
        drawn, more = _masks(root, masks)
        notes += more
    alone = sorted(drawn.keys() - found.keys())
    if masks is not None and alone:
        hint = _elsewhere(alone, found, images, masks) or _hint(alone, found)
        raise ValueError(_alone(root / masks, alone, len(drawn), hint))
    entries = {key: (found[key], drawn.get(key)) for key in sorted(found)}
    return Pairs(entries, tuple(notes))


def _masks(root: pathlib.Path, folder: str) -> tuple[dict[str, str], list[str]]:
    """The masks of a folder by key, and notes."""
    walked = walk.walk_images(root / folder)
    drawn = _by_key(root, folder, walked.images)
    wrong = [n for n in drawn.values() if walk.ending(n) not in _KEEP_IDS]
    if wrong:
        raise ValueError(_compressed(root, wrong))
    if walked.unread:
        # Left aside, they would turn labelled images into unlabelled ones.
        raise ValueError(
            f"{root}: masks are PNG files. "
            f"{walk.unread_words(folder, walked.unread)}"
        )
    return drawn, walked.notes(folder)


def _by_key(
    root: pathlib.Path, folder: str, names: tuple[str, ...]
) -> dict[str, str]:
    """Path below the folder without ending -> path below the root."""
    found: dict[str, str] = {}
    for name in names:
        key = unicodedata.normalize("NFC", name[: -len(walk.ending(name))])
        whole = f"{folder}/{name}"
        if key in found:
            raise ValueError(
                f"{root} holds {found[key]} and {whole}: masks are found "
                "by the name without its ending, so give one of them "
                "another name."
            )
        found[key] = whole
    return found


def _compressed(root: pathlib.Path, masks: list[str]) -> str:
    more = f" (and {len(masks) - 1} more masks)" if len(masks) > 1 else ""
    return (
        f"The mask {root / masks[0]}{more} is not a PNG: JPEG and the like "
        "change the values of pixels, so classes cannot be told from them. "
        "Export the masks as PNG where they were drawn; converting the files "
        "does not bring the values back."
    )


def _alone(
    folder: pathlib.Path, alone: list[str], total: int, hint: str
) -> str:
    """The sentence about masks that no image goes with."""
    names = f"{', '.join(alone[:5])}{', ...' if len(alone) > 5 else ''}"
    return (
        f"{len(alone)} of the {total} masks of {folder} go with no "
        f"image: {names}; the mask NAME.png belongs to the image NAME with "
        f"any ending; {hint}."
    )


def _elsewhere(alone: list[str], found: dict, images: str, masks: str) -> str:
    """The move that brings masks beside the images of their names.

    Args:
      alone: the keys of masks without an image.
      found: the images by key.
      images: the folder of images, relative to the root.
      masks: that of the masks.

    Returns:
      "" where not all of these masks miss their images in the same way.
    """
    folders: dict[str, list[str]] = {}
    for key in found:
        folder, _, base = key.rpartition("/")
        folders.setdefault(base, []).append(folder)
    moves = set()
    for key in alone:
        folder, _, base = key.rpartition("/")
        there = folders.get(base, [])
        if len(there) != 1:
            return ""
        moves.add((folder, there[0]))
    if len(moves) != 1:
        return ""
    (mine, other), *_ = moves
    lie = f"their images lie in {images}/{other}".rstrip("/")
    if other:
        return f"{lie}: move these masks to {masks}/{other}"
    return f"{lie}: move these images to {images}/{mine}"


def _hint(alone: list[str], images: dict) -> str:
    """How most of the masks could be renamed to fit."""
    fits: Counter[str] = Counter()
    cases = {key.casefold(): key for key in images}
    for name in alone:
        if name.casefold() in cases:
            fits["with the image's upper and lower case"] += 1
        folder, _, base = name.rpartition("/")
        folder = f"{folder}/" if folder else ""
        for at, letter in enumerate(base):
            if letter in "_-. ":
                if folder + base[:at] in images:
                    fits[f"without {base[at:]!r} at the end of the name"] += 1
                if folder + base[at + 1 :] in images:
                    fits[f"without {base[: at + 1]!r} at the beginning"] += 1
    if not fits:
        return f"the images are called {', '.join(sorted(images)[:3])}"
    how, count = fits.most_common(1)[0]
    return f"{how}, {count} of them would fit"
