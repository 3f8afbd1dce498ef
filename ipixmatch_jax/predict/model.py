"""A trained network of a run, ready to predict images."""

import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np
from ml_collections import FrozenConfigDict

from ipixmatch_jax.data import value_range
from ipixmatch_jax.data.source import BadFileError
from ipixmatch_jax.evaluate.image_batches import Item, return_errors
from ipixmatch_jax.evaluate.resized_images import nearest_multiple
from ipixmatch_jax.experiment import restore
from ipixmatch_jax.experiment.run_config import load_run_config
from ipixmatch_jax.models.segmenter import Segmenter
from ipixmatch_jax.predict.averaging import PLAIN, Averaging
from ipixmatch_jax.predict.classes import Classes, find_classes
from ipixmatch_jax.predict.images import (
    ImageLike,
    is_one_image,
    read_image,
    read_size,
)
from ipixmatch_jax.predict.predictor import Predictor
from ipixmatch_jax.predict.windows import WINDOW, Windows
from ipixmatch_jax.utils import pictures

Images = ImageLike | Sequence[ImageLike]


class Model:
    """A trained network of a run.

    Attributes:
      workdir: of the run.
      config: of the run.
      step: the steps that the network was trained for.
      network_name: "student", "teacher" or "twin".
      network: the flax module.
      variables: its params and batch_stats.
      value_range: the values that become 0 and 255 in images of more than 8
        bits; None: the ends of each file's type.
    """

    def __init__(
        self,
        workdir: pathlib.Path,
        run: restore.Trained,
        network_name: str,
        classes: Classes,
    ):
        """Holds what `load_model` read."""
        self.workdir = workdir
        self.config: FrozenConfigDict = run.config
        self.step: int = run.step
        self.network_name = network_name
        self.network: Segmenter = run.network
        self.variables: dict[str, Any] = run.variables[network_name]
        self.classes = classes
        self._mesh = run.mesh
        # Runs from before that field take the range of each file's type.
        self.value_range = value_range.parse_range(
            run.config.data.get("range", "")
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name per class id."""
        return self.classes.names

    @property
    def palette(self) -> tuple[tuple[int, int, int], ...]:
        """One (red, green, blue) in 0..255 per class id."""
        return self.classes.palette

    def predict(
        self,
        images: Images,
        *,
        window: int | None = None,
        scales: tuple[float, ...] = (1.0,),
        flip: bool = False,
    ) -> np.ndarray | list[np.ndarray]:
        """The most probable class of every pixel.

        Args:
          images: one image: a path, an image of Pillow, or uint8 [H, W, C];
            or several: a list of these, or uint8 [B, H, W, C].
          window: cut every image into windows of this side in pixels; 0: cut
            none; None: large images, or as evaluate.mode says.
          scales: resize the image by these factors and average.
          flip: average with the mirror image.

        Returns:
          class ids uint8 [H, W] at the image's own size; of a list a list,
          of [B, H, W, C] an array [B, H, W].

        Raises:
          BadFileError: a file cannot be used.
          ValueError: an array is not an image of this network.
        """
        predictor = self.make_predictor(Averaging(scales, flip), window)
        return self._apply(
            images, lambda *read: _take_ids(predictor.predict(*read))
        )

    def probabilities(
        self,
        images: Images,
        *,
        window: int | None = None,
        scales: tuple[float, ...] = (1.0,),
        flip: bool = False,
    ) -> np.ndarray | list[np.ndarray]:
        """The probability of every class at every pixel.

        The arguments are those of `predict`, and so are the errors.

        Returns:
          float32 [H, W, classes] at the image's own size; of a list a list,
          of [B, H, W, C] an array [B, H, W, classes].
        """
        predictor = self.make_predictor(Averaging(scales, flip), window)
        return self._apply(images, predictor.probabilities)

    def overlay(self, image: ImageLike, labels: np.ndarray) -> np.ndarray:
        """The colours of the classes half over the image.

        Args:
          image: as of `predict`.
          labels: class ids uint8 [H, W], such as `predict` returns.

        Returns:
          RGB uint8 [H, W, 3].
        """
        pixels = read_image(image, self.network.channels, self.value_range)
        labels = np.asarray(labels, np.uint8)
        if labels.shape != pixels.shape[:2]:
            raise ValueError(
                f"The labels have shape {labels.shape} and the image "
                f"{pixels.shape[:2]}: give the labels of this image."
            )
        return pictures.overlay(pixels, labels, self.palette)

    def make_predictor(
        self, averaging: Averaging = PLAIN, window: int | None = None
    ) -> Predictor:
        """Builds a Predictor; see Averaging and `choose_windows`."""
        return Predictor(
            self.network,
            self.variables,
            averaging=averaging,
            windows=choose_windows(
                self.config, window, self.network.side_multiple
            ),
            batch_size=self.config.evaluate.batch_size,
            mesh=self._mesh,
            value_range=self.value_range,
        )

    def _apply(
        self,
        images: Images,
        run: Callable[..., Iterator[tuple[int, np.ndarray | BadFileError]]],
    ) -> np.ndarray | list[np.ndarray]:
        channels = self.network.channels
        one = is_one_image(images)
        many = cast(Sequence[ImageLike], [images] if one else images)
        sizes = {i: read_size(x, channels) for i, x in enumerate(many)}

        def read(index: int) -> Item:
            return Item(read_image(many[index], channels, self.value_range))

        found = {}
        for index, result in run(sizes, return_errors(read)):
            if isinstance(result, BadFileError):
                raise result
            # A jax array is read-only, and a view would keep the whole batch.
            found[index] = np.array(result)
        results = [found[i] for i in range(len(many))]
        if one:
            return results[0]
        return np.stack(results) if isinstance(many, np.ndarray) else results


def _take_ids(predictions) -> Iterator[tuple[int, np.ndarray | BadFileError]]:
    for index, prediction in predictions:
        if isinstance(prediction, BadFileError):
            yield index, prediction
        else:
            yield index, prediction.ids


def load_model(
    workdir: pathlib.Path,
    *,
    checkpoint: str = "best",
    network: str = "best",
    root: str | None = None,
) -> Model:
    """Reads a network of a run.

    Args:
      workdir: of the run.
      checkpoint: "best" or "last".
      network: "best" (the one that scored best on val), "student", "teacher"
        or "twin".
      root: the data set's folder, if it moved.

    Raises:
      FileNotFoundError: this is not the workdir of a run, or it has no such
        checkpoint.
      ValueError: the run has no such network.
      BrokenCheckpointError: the checkpoint is damaged.
    """
    load_run_config(workdir)  # The fastest check comes first.
    run = restore.restore_networks(workdir, checkpoint, root)
    name = choose_network(run, network)
    return Model(workdir, run, name, find_classes(run.config, workdir))


def choose_network(run: restore.Trained, network: str) -> str:
    """The name of a run's network, where "best" is the one best on val.

    Raises:
      ValueError: the run has no such network.
    """
    name = run.better if network == "best" else network
    if name not in run.variables:
        raise ValueError(
            f"The run has no network {name!r}; choose best or "
            f"{' or '.join(run.variables)}."
        )
    return name


def choose_windows(
    config: FrozenConfigDict,
    side: int | None,
    multiple: int = 1,
    usual: int = WINDOW,
) -> Windows | None:
    """The windows of a given side, or those that fit the run.

    Args:
      config: of the run.
      side: in pixels, for every image; 0: no windows; None: for large images,
        or with evaluate.mode=sliding_window for every image, as it was scored.
      multiple: the network takes sides that are multiples of it.
      usual: side of the windows of large images where crops are smaller.

    Raises:
      ValueError: the side is not a multiple; names the nearest that are.
    """
    crop_size = config.data.crop_size
    if side == 0:
        return None
    if side is not None:
        if side % multiple:
            lower = side // multiple * multiple
            near = [str(x) for x in (lower, lower + multiple) if x]
            raise ValueError(
                f"Windows of {side} pixels do not fit this network, whose "
                f"sides are multiples of {multiple}: choose "
                f"{' or '.join(near)}."
            )
        return Windows(side, 0)
    if config.evaluate.mode == "sliding_window":
        return Windows(crop_size, 0)
    return Windows(max(nearest_multiple(usual, multiple), crop_size))
