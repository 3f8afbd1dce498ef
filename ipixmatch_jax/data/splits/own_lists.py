"""The lists that come with a data set whose root is given."""

import pathlib

from ipixmatch_jax.data.data_set_kind import DataSetKind
from ipixmatch_jax.data.files.split_list import Entry
from ipixmatch_jax.data.registry import DATASETS


def layouts() -> list[str]:
    """What tells the root of each data set that brings its own lists."""
    kinds = DATASETS.values()
    return [kind.own_lists.layout for kind in kinds if kind.own_lists]


def read_own_lists(
    root: pathlib.Path,
) -> tuple[list[Entry], list[Entry], DataSetKind]:
    """The train list, the val list and the kind of the data set at a root.

    Raises:
      FileNotFoundError: the root has none of the `layouts`.
    """
    for kind in DATASETS.values():
        if kind.own_lists and kind.own_lists.found(root):
            return *kind.own_lists.read(root), kind
    *first, last = layouts()
    raise FileNotFoundError(
        f"{root} has no {', '.join(first)} or {last} to take a list from."
    )
