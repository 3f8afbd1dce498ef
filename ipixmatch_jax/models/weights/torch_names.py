"""The reference's names for the leaves of our variables, and back."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import ml_dtypes
import numpy as np
from flax import traverse_util

BACKBONE = "backbone."
HEAD = ("head.", "reduce.", "fuse.", "classifier.")
COUNTER = "num_batches_tracked"

# What the reference (UniMatch v1) calls the convolution and the batch norm of
# each unit; a block's `conv1` goes with `bn1`.
_DEEP_STEM = {
    "stem_1": ("conv1.0", "conv1.1"),
    "stem_2": ("conv1.3", "conv1.4"),
    "stem_3": ("conv1.6", "bn1"),
}
_PLAIN_STEM = {"stem_1": ("conv1", "bn1")}
_HEAD = {
    "aspp_1": ("head.b0.0", "head.b0.1"),
    "aspp_2": ("head.b1.0", "head.b1.1"),
    "aspp_3": ("head.b2.0", "head.b2.1"),
    "aspp_4": ("head.b3.0", "head.b3.1"),
    "aspp_pool": ("head.b4.gap.1", "head.b4.gap.2"),
    "project": ("head.project.0", "head.project.1"),
    "reduce": ("reduce.0", "reduce.1"),
    "fuse_1": ("fuse.0", "fuse.1"),
    "fuse_2": ("fuse.3", "fuse.4"),
}
_BLOCK = {
    "conv1": ("conv1", "bn1"),
    "conv2": ("conv2", "bn2"),
    "conv3": ("conv3", "bn3"),
    "downsample": ("downsample.0", "downsample.1"),
}
_LEAVES = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}
_LISTED = 10  # names that a message lists; the rest is counted


class Entry(NamedTuple):
    """A leaf of our variables: its path, and torch's name and shape for it."""

    path: tuple[str, ...]
    name: str
    shape: tuple[int, ...]


def entries(variables: Mapping) -> Iterator[Entry]:
    """Every leaf of a ResNet and its head, with torch's name and shape.

    A head that the reference does not have is left out.
    """
    flat = traverse_util.flatten_dict(dict(variables))
    if not has_reference_head(variables):
        flat = {path: leaf for path, leaf in flat.items() if path[1] != "head"}
    deep = any(path[2] == "stem_3" for path in flat)
    stem = _DEEP_STEM if deep else _PLAIN_STEM
    for path, leaf in flat.items():
        name = f"{_unit_name(path[1:-1], stem)}.{_LEAVES[path[-1]]}"
        yield Entry(path, name, _torch_shape(leaf.shape))


def has_reference_head(variables: Mapping) -> bool:
    """Whether the head is the reference's, whose tensors have names."""
    return set(variables["params"]["head"]) <= {*_HEAD, "classifier"}


def to_torch_names(variables: Mapping) -> dict[str, np.ndarray]:
    """Turns our variables into a state dict of the reference.

    Args:
      variables: params and batch_stats of a ResNet with the reference's head.

    Returns:
      arrays by the reference's names, such as "backbone.conv1.0.weight",
      kernels as [out, in, k, k]; without `num_batches_tracked`.

    Raises:
      ValueError: the head is another one.
    """
    if not has_reference_head(variables):
        raise ValueError(
            "This network's head is not the reference's, so its tensors have "
            "no names there: it cannot be exported."
        )
    flat = traverse_util.flatten_dict(dict(variables))
    return {
        entry.name: _to_torch(np.asarray(flat[entry.path]), entry)
        for entry in entries(variables)
    }


def from_torch_names(
    tensors: Mapping[str, np.ndarray], variables: Mapping
) -> dict:
    """Turns a state dict of the reference into our variables.

    Args:
      tensors: arrays by the reference's names, with or without `module.`
        before each; `num_batches_tracked` is ignored.
      variables: gives structure and shapes, as arrays or ShapeDtypeStructs.

    Returns:
      variables of float32 NumPy arrays.

    Raises:
      ValueError: lists missing, extra and misshapen tensors.
    """
    tensors = {
        name.removeprefix("module."): np.asarray(value)
        for name, value in tensors.items()
        if not name.endswith(COUNTER)
    }
    wanted = list(entries(variables))
    check_tensors(wanted, tensors, "the state dict")
    return fill_variables(variables, wanted, tensors)


def with_counters(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Adds torch's counter of batches, int64 0, for every batch norm."""
    ends = "running_mean"
    counters = {
        name.removesuffix(ends) + COUNTER: np.zeros((), np.int64)
        for name in tensors
        if name.endswith(ends)
    }
    return {**tensors, **counters}


def check_tensors(
    wanted: Iterable[Entry],
    tensors: Mapping[str, np.ndarray],
    source: str,
    hint: str = "",
) -> None:
    """Raises ValueError if `tensors` are not exactly the wanted ones.

    The message names the `source`, then the `hint`, which should end in "; ",
    then up to ten tensors of each kind that does not fit, with their shapes;
    only three where the hint says that it is another network.
    """
    ours = {entry.name: entry.shape for entry in wanted}
    misfits = {
        "missing": [
            f"{name} {shape}"
            for name, shape in ours.items()
            if name not in tensors
        ],
        "extra": [
            f"{name} {value.shape}"
            for name, value in tensors.items()
            if name not in ours
        ],
        "misshapen": [
            f"{name} {tensors[name].shape} instead of {shape}"
            for name, shape in ours.items()
            if name in tensors and tensors[name].shape != shape
        ],
    }
    if any(misfits.values()):
        several = sum(map(bool, misfits.values())) > 1
        listed = 3 if hint and several else _LISTED
        found = "; ".join(
            f"{kind}: {shortened(names, listed)}"
            for kind, names in misfits.items()
            if names
        )
        raise ValueError(f"{source} does not fit the network: {hint}{found}.")


def shortened(names: Iterable[str], listed: int = _LISTED) -> str:
    """The first names in alphabetical order, then the number of the rest."""
    names = sorted(names)
    text = ", ".join(names[:listed])
    more = len(names) - listed
    return f"{text} and {more} more" if more > 0 else text


def fill_variables(
    variables: Mapping,
    wanted: Iterable[Entry],
    tensors: Mapping[str, np.ndarray],
) -> dict:
    """Replaces the wanted leaves by float32 copies of the tensors."""
    flat = traverse_util.flatten_dict(dict(variables))
    for entry in wanted:
        shape = flat[entry.path].shape
        flat[entry.path] = _to_ours(tensors[entry.name], shape)
    return traverse_util.unflatten_dict(flat)


def _unit_name(path, stem):
    """The reference's name for one of our modules, as (head, fuse_1, bn)."""
    part, unit = path[:2]
    if part == "head":
        if unit == "classifier":
            return unit
        return _HEAD[unit][path[2] == "bn"]
    if unit in stem:
        return f"{BACKBONE}{stem[unit][path[2] == 'bn']}"
    found = re.fullmatch(r"(layer\d)_(\d+)", unit)
    assert found is not None, unit
    layer, block = found.groups()
    return f"{BACKBONE}{layer}.{block}.{_BLOCK[path[2]][path[3] == 'bn']}"


def _torch_shape(shape):
    if len(shape) == 4:
        return (shape[3], shape[2], shape[0], shape[1])
    # The classifier is a matrix here and a 1x1 convolution there.
    return (shape[1], shape[0], 1, 1) if len(shape) == 2 else tuple(shape)


def _to_torch(array, entry):
    if array.ndim == 4:
        array = array.transpose(3, 2, 0, 1)
    return array.T.reshape(entry.shape) if array.ndim == 2 else array


def _to_ours(array, shape):
    array = np.asarray(array, np.float32)
    if len(shape) == 4:
        return np.ascontiguousarray(array.transpose(2, 3, 1, 0))
    return array[:, :, 0, 0].T.copy() if len(shape) == 2 else array


def check_floats(tensors: Mapping[str, np.ndarray], source: str) -> None:
    """Raises ValueError on tensors of integers, as quantised files hold."""
    floats = (np.floating, ml_dtypes.bfloat16)
    others = [
        f"{name} {value.dtype}"
        for name, value in tensors.items()
        if not issubclass(value.dtype.type, floats)
    ]
    if others:
        raise ValueError(
            f"{source} has tensors that do not hold floats: "
            f"{shortened(others)}. Take a file that is not quantised."
        )
