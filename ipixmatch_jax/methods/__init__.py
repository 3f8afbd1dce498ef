"""Methods: pure functions from views to a loss and its Consistency list."""

from ipixmatch_jax.methods.fixmatch import fixmatch
from ipixmatch_jax.methods.supervised import supervised

METHODS = {"supervised": supervised, "fixmatch": fixmatch}
