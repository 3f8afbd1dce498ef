"""What a format of predictions is; `registry.py` lists them."""

import abc
import importlib.util
import pathlib
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np

_BACKGROUNDS = ("background", "_background_")  # The second is LabelMe's.


class LabelledImage(NamedTuple):
    """The prediction for one image, in the image's upright size.

    Attributes:
      path: of the image.
      name: below the folders of the output, without ending, with slashes.
      ids: uint8 [H, W], class ids.
      confidence: float32 [H, W], the probability of each pixel's class.
    """

    path: str
    name: str
    ids: np.ndarray
    confidence: np.ndarray

    @property
    def file_name(self) -> str:
        """The name with the ending of the image."""
        return self.name + pathlib.Path(self.path).suffix


class Labelling(NamedTuple):
    """What is the same for all images of a command.

    Attributes:
      class_names: one per class id.
      palette: one (red, green, blue) in 0..255 per class id.
      model: what predicted, for the formats that have a place for it.
      background: whether a class of that name is annotated.
      tolerance: pixels by which outlines may leave the mask; None: masks.
      image_url: what precedes the name of an image in tasks.
    """

    class_names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    model: str = ""
    background: bool = False
    tolerance: float | None = None
    image_url: str = ""

    @property
    def annotated(self) -> list[int]:
        """The ids of the classes that are annotated."""
        return [
            k
            for k, name in enumerate(self.class_names)
            if self.background or name.casefold() not in _BACKGROUNDS
        ]


class LabelFormat(abc.ABC):
    """Writes the predictions of images for one kind of reader.

    Every image has files of its own, so that a command that was stopped
    continues. Where a tool wants one file for all images, `join` makes it of
    them.

    Attributes:
      purpose: for the help of the command.
      options: the fields of Labelling that the user may choose.
      packages: what `write_image` imports beyond the package's own needs.
      picture_folders: the folders, below the output's, of files that could
        be taken for images to predict.
      joined: what `join` writes, below the output's folder.
    """

    purpose: ClassVar[str]
    options: ClassVar[tuple[str, ...]] = ()
    packages: ClassVar[tuple[str, ...]] = ()
    picture_folders: ClassVar[tuple[str, ...]] = ()
    joined: ClassVar[tuple[str, ...]] = ()

    @abc.abstractmethod
    def image_files(self, name: str) -> tuple[str, ...]:
        """The files of an image, below the output's folder; see write_image."""

    @abc.abstractmethod
    def write_image(
        self, out: pathlib.Path, image: LabelledImage, labelling: Labelling
    ) -> None:
        """Writes the files of an image, each whole or not at all."""

    def join(self, out: pathlib.Path, labelling: Labelling) -> None:  # noqa: B027
        """Writes what all images in the output's folder share."""

    def check(self, names: Sequence[str], labelling: Labelling) -> None:  # noqa: B027
        """Refuses names that the format cannot hold.

        Args:
          names: of the images.
          labelling: with the class names.

        Raises:
          ValueError: one sentence on what to rename.
        """

    def require_packages(self, tolerance: float | None) -> None:
        """Refuses to begin without what `write_image` imports.

        Args:
          tolerance: see Labelling.

        Raises:
          ValueError: one sentence that says what to install.
        """
        outlines = ("shapely",) if tolerance is not None else ()
        for package in (*self.packages, *outlines):
            if importlib.util.find_spec(package) is None:
                raise ValueError(
                    f"This output is made with {package}: install it with "
                    "`pip install 'ipixmatch_jax[labels]'`."
                )
