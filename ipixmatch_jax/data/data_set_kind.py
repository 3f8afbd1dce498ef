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


class Download(NamedTuple):
    """A data set as it is downloaded, and what is made of it (data/prepare).

    Attributes:
      how_to_get: what to download from where, for messages.
      archives: file name of each archive as downloaded -> parts of the
        paths of the members to unpack.
      images: how many images its train and its val list have as published.
      complete: makes the files that no archive holds, such as drawn masks,
        in a root of unpacked archives. It keeps what is there, so that it
        goes on after it was killed. Returns sentences for the user.
      marks: folders and files that are in no other data set, by which a root
        of unpacked archives is told from an export of a label tool.
      extra: the package that `complete` imports and the extra of this one
        that brings it; None if it needs none.
    """

    how_to_get: str
    archives: Mapping[str, tuple[str, ...]]
    images: Mapping[str, int]
    complete: Callable[[pathlib.Path], tuple[str, ...]] | None = None
    marks: tuple[str, ...] = ()
    extra: tuple[str, str] | None = None


class DataSetKind(NamedTuple):
    """One kind of data set, as `registry.DATASETS` holds it.

    Attributes:
      open: `open(root, splits_dir, split, **options)` gives a `DataSet`.
        Raises FileNotFoundError or ValueError in one sentence.
      options: fields of config.data that `open` takes by keyword.
      own_lists: the lists that come with the data; None if none do.
      download: how it is downloaded; None if it is not.
      open_contents: opens a root, checks its files and gives what
        data/prepare packs into records; None if it cannot be packed.
      find_missing: `find_missing(root, splits_dir, split)` lists what is to
        be fetched before `open` can succeed; None: root and lists are looked
        for if there is a download.
    """

    open: Callable[..., DataSet]
    options: tuple[str, ...] = ()
    own_lists: OwnLists | None = None
    download: Download | None = None
    open_contents: Callable[[pathlib.Path], Contents] | None = None
    find_missing: Callable[[str, str, str], list[Missing]] | None = None
