"""Methods: pure functions from views to a loss and its Consistency list."""

from ipixmatch_jax.methods.augseg import augseg
from ipixmatch_jax.methods.cps import cps
from ipixmatch_jax.methods.fixmatch import fixmatch
from ipixmatch_jax.methods.mean_teacher import mean_teacher
from ipixmatch_jax.methods.supervised import supervised
from ipixmatch_jax.methods.unimatch import unimatch

METHODS = {
    "supervised": supervised,
    "mean_teacher": mean_teacher,
    "fixmatch": fixmatch,
    "unimatch": unimatch,
    "augseg": augseg,
    "cps": cps,
}
