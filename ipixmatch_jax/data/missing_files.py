"""What a run needs and does not have, each with the command that gets it."""

import pathlib
from collections.abc import Collection
from typing import NamedTuple

from ipixmatch_jax.cli.commands import call_of
from ipixmatch_jax.data.files.file_source import split_lists
from ipixmatch_jax.data.splits.published import SOURCES


class Missing(NamedTuple):
    """Something that a run needs and that is not there.

    Attributes:
      what: a phrase that names it.
      command: what gets it.
      needed: the run cannot start without it.
    """

    what: str
    command: str
    needed: bool = True


def find_missing_lists(
    root: pathlib.Path,
    splits_dir: str,
    split: str,
    optional: Collection[str] = (),
) -> list[Missing]:
    """The lists of a split, where one of them is not there.

    Args:
      root: of the data set.
      splits_dir: see `split_lists`.
      split: see `split_lists`.
      optional: names of lists that need not exist, such as "val".
    """
    lists = split_lists(root, splits_dir, split)
    gone = [p for p in lists if not p.is_file() and p.stem not in optional]
    if not gone:
        return []
    folder, splits = lists[2].parent, call_of("splits")
    share = split.replace("_", "/")
    command = f"{splits} make --root {root} --labelled {share} --out {folder}"
    published = {name for names in SOURCES.values() for name in names}
    if f"{folder.name}/{split}/{lists[0].name}" in published:
        command = (
            f"{splits} download --only {folder.name} --out {folder.parent}"
        )
        if f"{folder.name}/{split}/{lists[1].name}" not in published:
            command += f" && {splits} complete --root {root} --out {folder}"
    names = ", ".join(str(path) for path in gone)
    return [Missing(f"the lists of the split {split} ({names})", command)]
