"""Data sets of noise, and the first batch of a run, for benchmarks.

Nothing here defines a flag, so that tests may import it.
"""

import numpy as np
from ml_collections import ConfigDict
from PIL import Image

from ipixmatch_jax.data import pipeline, registry
from ipixmatch_jax.distributed import mesh
from ipixmatch_jax.methods.registry import METHODS
from ipixmatch_jax.training import setup


class Noise(registry.Source):
    """A source of square noise images, with or without noise masks."""

    def __init__(self, count: int, size: int, num_classes: int | None):
        self._count = count
        self._size = size
        self._num_classes = num_classes

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, i: int) -> registry.Sample:
        rng = np.random.default_rng(i)
        shape = (self._size, self._size)
        image = Image.fromarray(rng.integers(0, 256, (*shape, 3), np.uint8))
        if self._num_classes is None:
            return registry.Sample(image, None)
        mask = rng.integers(0, self._num_classes, shape, np.uint8)
        return registry.Sample(image, Image.fromarray(mask))

    def name(self, i: int) -> str:
        """See `Source.name`; no file has this name."""
        return f"noise_{i}.png"

    def size(self, i: int) -> tuple[int, int]:
        """See `Source.size`."""
        del i
        return self._size, self._size


def noise_data(config: ConfigDict) -> registry.DataSet:
    """A data set of noise with the config's number of classes."""
    count, size = 2 * config.train.batch_size, config.data.crop_size
    labelled = Noise(count, size, config.model.num_classes)
    unlabelled = Noise(count, size, None)
    return registry.DataSet(labelled, unlabelled, labelled, None, (), ())


def first_batch(config: ConfigDict, built: setup.Parts):
    """The batch of step 0 on the devices, and how many images it holds."""
    method = METHODS[config.method]
    batch = pipeline.train_batches(
        built.data.labelled,
        built.data.unlabelled if method.uses_unlabelled else None,
        batch_size=config.train.batch_size,
        crop_size=config.data.crop_size,
        seed=config.seed,
        recipe=method.views,
        apply_views=config.data.apply_views,
    )[0]
    del batch["bad"]
    images = len(batch) * config.train.batch_size
    return mesh.put_batch(batch, built.mesh), images
