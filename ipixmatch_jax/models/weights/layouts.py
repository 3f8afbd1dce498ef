"""Orders of axes: a leaf of our tree and the same tensor in torch."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from flax import traverse_util

from ipixmatch_jax.models.weights.torch_names import (
    Entry,
    check_floats,
    check_tensors,
)

# How torch orders the axes of our [in, out] and [k, k, in, out] kernels.
SAME = "same"  # vectors and tokens
LINEAR = "linear"  # (out, in)
POINTWISE = "pointwise"  # (out, in, 1, 1): a 1x1 convolution
CONV = "conv"  # (out, in, k, k)
TRANSPOSED = "transposed"  # (in, out, k, k): a transposed convolution
# (out, C, p, p) for the [p * p * C, out] kernel of a patch embedding.
PATCH_14 = "patch_14"
PATCH_16 = "patch_16"

_PATCHES = {PATCH_14: 14, PATCH_16: 16}


class Leaf(NamedTuple):
    """A leaf of our tree and the tensor that stands for it in a file.

    Attributes:
      path: keys in our tree.
      name: the tensor's name.
      shape: the tensor's shape.
      layout: one of the constants of this module.
    """

    path: tuple[str, ...]
    name: str
    shape: tuple[int, ...]
    layout: str

    @property
    def entry(self) -> Entry:
        """The leaf without its layout."""
        return Entry(self.path, self.name, self.shape)


def torch_shape(shape: tuple[int, ...], layout: str) -> tuple[int, ...]:
    """The shape of the tensor that stands for a leaf of that shape."""
    if layout in _PATCHES:
        side = _PATCHES[layout]
        return (shape[1], shape[0] // side**2, side, side)
    if layout == CONV:
        return (shape[3], shape[2], shape[0], shape[1])
    if layout == TRANSPOSED:
        return (shape[2], shape[3], shape[0], shape[1])
    if layout in (LINEAR, POINTWISE):
        return (shape[1], shape[0]) + (1, 1) * (layout == POINTWISE)
    return tuple(shape)


def to_torch(array: np.ndarray, layout: str) -> np.ndarray:
    """A leaf as its tensor, a view where possible."""
    array = np.asarray(array)
    shape = torch_shape(array.shape, layout)
    if layout in _PATCHES:
        out, channels, side, _ = shape
        return array.reshape(side, side, channels, out).transpose(3, 2, 0, 1)
    if layout == CONV:
        return array.transpose(3, 2, 0, 1)
    if layout == TRANSPOSED:
        return array.transpose(2, 3, 0, 1)
    if layout in (LINEAR, POINTWISE):
        return array.T.reshape(shape)
    return array


def from_torch(tensor: np.ndarray, layout: str) -> np.ndarray:
    """A tensor as a float32 leaf of our tree, contiguous."""
    leaf: np.ndarray = np.asarray(tensor, np.float32)
    if layout in _PATCHES:
        leaf = leaf.transpose(2, 3, 1, 0).reshape(-1, leaf.shape[0])
    elif layout == CONV:
        leaf = leaf.transpose(2, 3, 1, 0)
    elif layout == TRANSPOSED:
        leaf = leaf.transpose(2, 3, 0, 1)
    elif layout in (LINEAR, POINTWISE):
        leaf = leaf.reshape(leaf.shape[:2]).T
    return np.array(leaf, order="C")


def tensors_of_tree(
    tree: Mapping, leaves: Iterable[Leaf]
) -> dict[str, np.ndarray]:
    """The tensors of the listed leaves of a tree, by name."""
    flat = traverse_util.flatten_dict(dict(tree))
    return {
        leaf.name: to_torch(flat[leaf.path], leaf.layout) for leaf in leaves
    }


def fill_tree(
    tree: Mapping,
    leaves: Iterable[Leaf],
    tensors: Mapping[str, np.ndarray],
    source: str,
) -> dict:
    """A copy of a tree whose listed leaves have the values of tensors.

    Args:
      tree: gives structure and shapes; ShapeDtypeStructs do.
      leaves: every leaf that the tensors must fill.
      tensors: arrays by name, exactly those of the leaves.
      source: names the tensors in sentences.

    Returns:
      the tree; what was filled is float32 NumPy.

    Raises:
      ValueError: lists missing, extra and misshapen tensors, or those that
        are not of floats.
    """
    leaves = list(leaves)
    check_tensors([leaf.entry for leaf in leaves], tensors, source)
    return replace_leaves(tree, leaves, tensors, source)


def replace_leaves(
    tree: Mapping,
    leaves: Iterable[Leaf],
    tensors: Mapping[str, np.ndarray],
    source: str,
) -> dict:
    """`fill_tree` without its checks: every leaf has a tensor that fits."""
    check_floats(tensors, source)
    # A network without batch norm has empty batch_stats, which stay.
    flat = traverse_util.flatten_dict(dict(tree), keep_empty_nodes=True)
    for leaf in leaves:
        flat[leaf.path] = from_torch(tensors[leaf.name], leaf.layout)
    return traverse_util.unflatten_dict(flat)
