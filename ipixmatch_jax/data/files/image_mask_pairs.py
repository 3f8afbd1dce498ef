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
        raise ValueError(_alone(root, masks, alone, found, len(drawn)))
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
    root: pathlib.Path,
    folder: str,
    alone: list[str],
    images: dict,
    total: int,
) -> str:
    """The sentence about masks that no image goes with."""
    names = f"{', '.join(alone[:5])}{', ...' if len(alone) > 5 else ''}"
    return (
        f"{len(alone)} of the {total} masks of {root / folder} go with no "
        f"image: {names}; the mask NAME.png belongs to the image NAME with "
        f"any ending; {_hint(alone, images)}."
    )


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
