"""The methods by name: the values of the field `method`."""

from ipixmatch_jax.methods import (
    augseg,
    cps,
    fixmatch,
    mean_teacher,
    supervised,
    unimatch,
    unimatch_v2,
)
from ipixmatch_jax.methods.base import Method
from ipixmatch_jax.utils.registry import Registry

METHODS: Registry[Method] = Registry(
    "method",
    {
        "supervised": supervised.METHOD,
        "mean_teacher": mean_teacher.METHOD,
        "fixmatch": fixmatch.METHOD,
        "unimatch": unimatch.METHOD,
        "unimatch_v2": unimatch_v2.METHOD,
        "augseg": augseg.METHOD,
        "cps": cps.METHOD,
    },
)
