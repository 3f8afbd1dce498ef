"""Which images of a folder have a mask: the same path but for the ending."""

import os
import pathlib
from collections import Counter

from ipixmatch_jax.data.files.split_list import Entry

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_KEEP_IDS = (".png", ".bmp", ".tif", ".tiff")


def find(root: pathlib.Path, part: str) -> tuple[list[Entry], list[Entry]]:
    """Labelled and unlabelled images of `images/` and `masks/`, in order.

    Args:
      root: the data set's.
      part: the folder below it that holds both: "", "val" or "test".

    Raises:
      FileNotFoundError: images/ is absent or empty, or masks/ is absent.
      ValueError: a mask is a JPEG or the like, a mask has no image, or two
        files share a name.
    """
    images = _files(root, f"{part}/images".lstrip("/"))
    masks = _files(root, f"{part}/masks".lstrip("/"))
    if not images:
        raise FileNotFoundError(
            f"{root / part / 'images'} holds no images: they are files that "
            f"end in {', '.join(ENDINGS)}, in sub-folders too."
        )
    wrong = [n for n in masks.values() if not n.lower().endswith(_KEEP_IDS)]
    if wrong:
        raise ValueError(_compressed(root, wrong))
    alone = sorted(masks.keys() - images.keys())
    if alone:
        raise ValueError(_alone(root / part, alone, images, len(masks)))
    entries = [(images[key], masks.get(key)) for key in sorted(images)]
    return (
        [entry for entry in entries if entry[1] is not None],
        [entry for entry in entries if entry[1] is None],
    )


def _compressed(root: pathlib.Path, masks: list[str]) -> str:
    more = f" (and {len(masks) - 1} more masks)" if len(masks) > 1 else ""
    return (
        f"The mask {root / masks[0]}{more} is no PNG: JPEG and the like "
        "change the values of pixels, so classes cannot be told from them. "
        "Export the masks as PNG where they were drawn; converting the files "
        "does not bring the values back."
    )


def _files(root: pathlib.Path, folder: str) -> dict[str, str]:
    """Path below the folder without ending -> path below the root."""
    if not (root / folder).is_dir():
        raise FileNotFoundError(
            f"{root} has no folder {folder}/: a data set of one's own has "
            "images/ with photographs and masks/ with a PNG for each labelled "
            "one (docs/own_data.md)."
        )
    found: dict[str, str] = {}
    seen = set()
    # Linked folders are followed: data sets are often made of links. Each is
    # entered once, so that a link to a folder above it ends.
    for path, below, names in os.walk(root / folder, followlinks=True):
        if os.path.realpath(path) in seen:
            below.clear()
            continue
        seen.add(os.path.realpath(path))
        here = pathlib.Path(path).relative_to(root)
        for name in names:
            stem, ending = os.path.splitext(name)
            if name.startswith(".") or ending.lower() not in ENDINGS:
                continue
            key = (here / stem).relative_to(folder).as_posix()
            whole = (here / name).as_posix()
            if key in found:
                raise ValueError(
                    f"{root} holds {found[key]} and {whole}: masks are found "
                    "by the name without its ending, so give one of them "
                    "another name."
                )
            found[key] = whole
    return found


def _alone(
    folder: pathlib.Path, alone: list[str], images: dict, total: int
) -> str:
    """The sentence about masks that no image goes with."""
    names = f"{', '.join(alone[:5])}{', ...' if len(alone) > 5 else ''}"
    ending, fits = _surplus(alone, images)
    hint = (
        f"without {ending!r} at the end of the name, {fits} of them would fit"
        if fits
        else f"the images are called {', '.join(sorted(images)[:3])}"
    )
    return (
        f"{len(alone)} of the {total} masks of {folder} go with no image: "
        f"{names}; masks/NAME.png belongs to images/NAME with any ending; "
        f"{hint}."
    )


def _surplus(alone: list[str], images: dict) -> tuple[str, int]:
    """The ending, such as "_mask", without which most names have an image."""
    fits = Counter({"": 0})
    for name in alone:
        for at, letter in enumerate(name):
            if letter in "_-. " and name[:at] in images:
                fits[name[at:]] += 1
    return fits.most_common(1)[0]
