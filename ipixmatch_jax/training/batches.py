"""The batches of a run, as its config and its data set make them."""

import grain
from ml_collections import FrozenConfigDict

from ipixmatch_jax.data import pipeline
from ipixmatch_jax.data.augment import view_recipes
from ipixmatch_jax.data.registry import DataSet
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
