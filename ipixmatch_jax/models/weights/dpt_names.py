"""Params of the DPT head under UniMatch V2's names."""

from collections.abc import Iterator, Mapping

from flax import traverse_util

from ipixmatch_jax.models.weights import layouts
from ipixmatch_jax.models.weights.layouts import Leaf

# What stands before `.weight` or `.bias`, and how the weight is laid out.
_OUTPUT = "scratch.output_conv."


def head_leaves(params: Mapping) -> Iterator[Leaf]:
    """Every leaf of a DPT head's params with UniMatch V2's name.

    Args:
      params: of heads.DptHead; ShapeDtypeStructs do.
    """
    for path, leaf in traverse_util.flatten_dict(dict(params)).items():
        module, layout = _module(path[:-1])
        kernel = path[-1] == "kernel"
        layout = layout if kernel else layouts.SAME
        name = f"{module}.{'weight' if kernel else 'bias'}"
        shape = layouts.torch_shape(leaf.shape, layout)
        yield Leaf(path, name, shape, layout)


def _module(path):
    """UniMatch V2's name of a module and the layout of its kernel."""
    if path[0] == "classifier":
        return _OUTPUT + "2", layouts.POINTWISE
    if path[0] == "output":
        return _OUTPUT + "0", layouts.CONV
    kind, _, level = path[0].rpartition("_")
    if kind == "project":
        return f"projects.{int(level) - 1}", layouts.POINTWISE
    if kind == "resample":
        layout = layouts.CONV if level == "4" else layouts.TRANSPOSED
        return f"resize_layers.{int(level) - 1}", layout
    if kind == "level":
        return f"scratch.layer{level}_rn", layouts.CONV
    fusion = f"scratch.refinenet{level}"
    if path[1] == "out":
        return f"{fusion}.out_conv", layouts.POINTWISE
    unit = path[1].replace("unit_", "resConfUnit")
    return f"{fusion}.{unit}.{path[2]}", layouts.CONV
