"""Optimisers and schedules by name: train.optimiser and train.schedule."""

from collections.abc import Callable

import optax

from ipixmatch_jax.optimisers import adam, adamw, sgd
from ipixmatch_jax.optimisers.base import Optimiser
from ipixmatch_jax.optimisers.schedules import constant_schedule, poly_schedule
from ipixmatch_jax.utils.registry import Registry

OPTIMISERS: Registry[Optimiser] = Registry(
    "optimiser",
    {
        "sgd": sgd.OPTIMISER,
        "adam": adam.OPTIMISER,
        "adamw": adamw.OPTIMISER,
    },
)
# (learning rate at step 0, steps of the run) -> schedule.
SCHEDULES: Registry[Callable[[float, int], optax.Schedule]] = Registry(
    "learning-rate schedule",
    {"poly": poly_schedule, "constant": constant_schedule},
)
