"""Writes the unlabelled lists that are published by their labelled part alone.

The published unlabelled lists of COCO are all of train2017 that is not
labelled, in an order of their own; here they have the order of the names. No
result depends on it, since training shuffles.
"""

import pathlib

from ipixmatch_jax.data.files.split_list import read_list, write_list
from ipixmatch_jax.data.splits.own_lists import read_own_lists


def complete_splits(root: pathlib.Path, lists: pathlib.Path) -> dict[str, int]:
    """Writes `<split>/unlabeled.txt` where only `labeled.txt` is there.

    Args:
      root: of the data set, whose own train list is taken.
      lists: the folder of the splits.

    Returns:
      how many images each list has that was written, by split.

    Raises:
      FileNotFoundError: the root has no list of its own, or no split lacks
        its unlabelled list.
      ValueError: the train list is not of the published length, or a
        labelled image is not in it.
    """
    train, _, kind = read_own_lists(root)
    published = kind.download.images["train"] if kind.download else len(train)
    if len(train) != published:
        raise ValueError(
            f"{root} has {len(train)} of {published} training images, so the "
            "unlabelled lists would not be the published ones: "
            f"{kind.download.how_to_get if kind.download else root}."
        )
    folders = [
        path.parent
        for path in sorted(lists.glob("*/labeled.txt"))
        if not (path.parent / "unlabeled.txt").exists()
    ]
    if not folders:
        raise FileNotFoundError(
            f"{lists} has no <split>/labeled.txt without its unlabeled.txt."
        )
    names = {image for image, _ in train}
    counts = {}
    for folder in folders:
        labelled = {image for image, _ in read_list(folder / "labeled.txt")}
        if foreign := sorted(labelled - names):
            raise ValueError(
                f"{folder}/labeled.txt names {foreign[0]}, which is not a "
                f"training image of {root}."
            )
        rest = [entry for entry in train if entry[0] not in labelled]
        write_list(folder / "unlabeled.txt", rest)
        counts[folder.name] = len(rest)
    return counts
