"""Samples, sources of samples, and data sets made of sources."""

import abc
from typing import NamedTuple, Protocol

import numpy as np

from ipixmatch_jax.utils.file_names import printable
from ipixmatch_jax.utils.labels import IGNORE as IGNORE

# Pillow's mode by the number of channels; images of 5 to 16 are BandImages
# (band_image.py). In "LA" and "RGBA" Pillow would multiply the colours by the
# last channel before it resizes; these modes do not.
MODES = {1: "L", 2: "La", 3: "RGB", 4: "RGBX"}


class BadFileError(ValueError):
    """A file cannot be used; the message names it and says why.

    Names that are not UTF-8 are written with escapes, so that the message
    can be printed and stored.
    """

    def __init__(self, message: str):
        super().__init__(printable(message))


class Picture(Protocol):
    """What images and masks of a sample can do: some of Pillow's methods.

    An image of Pillow is one, and so is a BandImage; of large files, parts
    are read as they are cropped (files/windowed_image.py). NumPy makes an
    array of any of them, uint8 [H, W] or [H, W, C].
    """

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""

    def crop(self, box: tuple[int, int, int, int]) -> "DecodedPicture":
        """The part from (left, top) to (right, bottom)."""

    def histogram(self) -> list[int]:
        """Counts of the values 0 to 255, channel by channel."""


class DecodedPicture(Picture, Protocol):
    """A picture whose pixels are in memory."""

    def resize(
        self,
        size: tuple[int, int],
        resample: int | None = None,
        box: tuple[float, float, float, float] | None = None,
    ) -> "DecodedPicture":
        """As Pillow's: (width, height), the filter, and the part to resize."""


class Sample(NamedTuple):
    """One image of a source.

    Attributes:
      image: of the mode in `MODES`, or a BandImage where there is no mode for
        its channels; "RGB" unless the source was asked for another number.
      mask: mode "L", class ids with 255 = ignore, the image's size; None
        where the source has no labels.
    """

    image: Picture
    mask: Picture | None


def pixels(image: Picture) -> np.ndarray:
    """The pixels of an image of a sample, uint8 [H, W, C]; read-only."""
    array = np.asarray(image)
    return array[..., None] if array.ndim == 2 else array


class Source(abc.ABC):
    """Samples by position. Picklable, so grain's workers can hold one."""

    @abc.abstractmethod
    def __len__(self) -> int: ...

    @abc.abstractmethod
    def __getitem__(self, i: int) -> Sample:
        """Decodes the image and, if it has one, its mask.

        Raises:
          BadFileError: a file of this position cannot be used.
        """

    def mask(self, i: int) -> Picture | None:
        """The mask of `self[i]`, read without the image where possible.

        Raises:
          BadFileError: a file of this position cannot be used.
        """
        return self[i].mask

    @abc.abstractmethod
    def name(self, i: int) -> str:
        """The image's path relative to the root of its data set."""

    def path(self, i: int) -> str | None:
        """The file of the image; None if it is not a file of its own."""
        del i
        return None

    @abc.abstractmethod
    def size(self, i: int) -> tuple[int, int]:
        """(height, width) in pixels, without decoding the image.

        Raises:
          BadFileError: the file cannot be used.
        """


class DataSet(NamedTuple):
    """The sources of one data set under one split.

    Attributes:
      labelled: the training images that come with masks.
      unlabelled: the other training images; every mask is None.
      val: the set on which the best checkpoint is chosen.
      test: the set to report beside val, or None where there is none.
      class_names: one name per class id.
      palette: one (red, green, blue) in 0..255 per class id.
      listed: every (name, colour) of the data set's own class list in the
        order of the ids in its masks, with those that are left out of
        training; () where that is class_names and palette.
      notes: sentences that a person should read before training: how masks and
        values are read, and which data are left out.
      value_range: what config.data.range becomes, such as "0,4080"; None
        where the data set has no such option.
      held_out: whether val was taken from the labelled images, because the
        data set has no val of its own.
    """

    labelled: Source
    unlabelled: Source
    val: Source
    test: Source | None
    class_names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    listed: tuple[tuple[str, tuple[int, int, int]], ...] = ()
    notes: tuple[str, ...] = ()
    value_range: str | None = None
    held_out: bool = False
