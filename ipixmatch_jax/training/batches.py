"""The batches of a run, as its config and its data set make them."""

from typing import Any

import grain
import jax
import numpy as np
from ml_collections import FrozenConfigDict
from PIL import Image

from ipixmatch_jax.data import pipeline
from ipixmatch_jax.data.augment import view_recipes
from ipixmatch_jax.data.band_image import make_image
from ipixmatch_jax.data.registry import DataSet
from ipixmatch_jax.data.source import Sample, Source
from ipixmatch_jax.methods.registry import METHODS


def images_per_step(config: FrozenConfigDict) -> int:
    """Counts a step's images, the unlabelled ones only if they are used."""
    used = METHODS[config.method].uses_unlabelled
    return config.train.batch_size * (1 + used)


def make_batches(
    config: FrozenConfigDict,
    data: DataSet,
    *,
    process_index: int = 0,
    process_count: int = 1,
) -> grain.MapDataset:
    """The run's batches, element k for step k + 1; see data/pipeline.py."""
    method = METHODS[config.method]
    return pipeline.train_batches(
        data.labelled,
        data.unlabelled if method.uses_unlabelled else None,
        batch_size=config.train.batch_size,
        crop_size=config.data.crop_size,
        seed=config.seed,
        recipe=method.views or view_recipes.STRONG,
        apply_views=config.data.apply_views,
        on_error=config.data.on_error,
        process_index=process_index,
        process_count=process_count,
    )


def blank_batch(config: FrozenConfigDict) -> dict[str, Any]:
    """A batch of two black images, with the shapes of the config's own."""
    blank = _Blank(config.data.crop_size, config.data.channels)
    method = METHODS[config.method]
    return pipeline.train_batches(
        blank,
        blank if method.uses_unlabelled else None,
        batch_size=2,
        crop_size=config.data.crop_size,
        seed=0,
        recipe=method.views or view_recipes.STRONG,
        apply_views=config.data.apply_views,
    )[0]


def count_batch_bytes(
    config: FrozenConfigDict, process_count: int = 1
) -> list[int]:
    """Bytes of each array of one process's batches."""
    images = config.train.batch_size // process_count
    leaves = jax.tree.leaves(blank_batch(config))
    return [np.asarray(leaf).nbytes * images // 2 for leaf in leaves]


class _Blank(Source):
    """Two black images, for the shapes alone."""

    def __init__(self, side: int, channels: int):
        self._size, self._channels = (side, side), channels

    def __len__(self) -> int:
        return 2

    def __getitem__(self, i: int) -> Sample:
        black = np.zeros((*self._size, self._channels), np.uint8)
        return Sample(make_image(black), Image.new("L", self._size))

    def name(self, i: int) -> str:
        """See `Source.name`; there is no such file."""
        return f"blank_{i}"

    def size(self, i: int) -> tuple[int, int]:
        """See `Source.size`."""
        return self._size
