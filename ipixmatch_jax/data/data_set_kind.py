"""What a data set must provide to be a member of the registry."""

import pathlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ipixmatch_jax.data.files.split_list import Entry
from ipixmatch_jax.data.missing_files import Missing
from ipixmatch_jax.data.source import DataSet, Source


class OwnLists(NamedTuple):
    """The train and val lists that come with a data set.

    Attributes:
      layout: the file or folder that tells the data set by, for messages.
      found: whether a root has that layout.
      read: the (image, mask) entries of train and of val, relative to the
        root. Raises FileNotFoundError if files of the layout are absent.
    """

    layout: str
    found: Callable[[pathlib.Path], bool]
    read: Callable[[pathlib.Path], tuple[list[Entry], list[Entry]]]


class Contents(NamedTuple):
    """What is packed into one set of records.

    Attributes:
      root: the folder that the names of the images are relative to.
      splits: the images of each split by the split's name.
      class_names: one per class id.
      palette: one (red, green, blue) in 0..255 per class id.
    """

    root: pathlib.Path
    splits: Mapping[str, Source]
    class_names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]


class Pack(NamedTuple):
    """How a data set is packed into records (data/prepare).

    Attributes:
      open_contents: opens a root and checks its files.
      archives: file name of each archive as downloaded -> parts of the
        paths of the members to unpack; empty if there is no download.
      arrange: moves or links unpacked folders to where `open_contents`
        looks for them.
    """

    open_contents: Callable[[pathlib.Path], Contents]
    archives: Mapping[str, tuple[str, ...]] = {}
    arrange: Callable[[pathlib.Path], None] | None = None


class DataSetKind(NamedTuple):
    """One kind of data set, as `registry.DATASETS` holds it.

    Attributes:
      open: `open(root, splits_dir, split, **options)` gives a `DataSet`.
        Raises FileNotFoundError or ValueError in one sentence.
      options: fields of config.data that `open` takes by keyword.
      own_lists: the lists that come with the data; None if none do.
      pack: how the set is packed; None if it cannot be.
      find_missing: `find_missing(root, splits_dir, split)` lists what is to
        be fetched before `open` can succeed; None: `open` says it.
    """

    open: Callable[..., DataSet]
    options: tuple[str, ...] = ()
    own_lists: OwnLists | None = None
    pack: Pack | None = None
    find_missing: Callable[[str, str, str], list[Missing]] | None = None
