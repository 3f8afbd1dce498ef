"""Weights by torch's names: to and from our tree, and from files."""

import logging
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from flax import traverse_util
from safetensors import SafetensorError
from safetensors.numpy import load_file

_LOGGER = logging.getLogger(__name__)

# Names of the convolution and the batch norm of each unit in the reference
# (UniMatch v1); a block's `conv1` pairs with `bn1`.
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
_IGNORED = "num_batches_tracked"


class _Entry(NamedTuple):
    """A leaf of our tree: its path, torch's name and shape for it."""

    path: tuple[str, ...]
    name: str
    shape: tuple[int, ...]


def to_torch_names(variables: Mapping) -> dict[str, np.ndarray]:
    """Our variables as a state dict of the reference.

    Args:
      variables: params and batch_stats of models.DeepLabV3Plus.

    Returns:
      arrays by the reference's names, such as "backbone.conv1.0.weight",
      kernels as [out, in, k, k]; without `num_batches_tracked`.
    """
    flat = traverse_util.flatten_dict(dict(variables))
    return {
        entry.name: _to_torch(np.asarray(flat[entry.path]), entry)
        for entry in _entries(variables)
    }


def from_torch_names(
    tensors: Mapping[str, np.ndarray], variables: Mapping
) -> dict:
    """Variables with the values of a reference state dict.

    Args:
      tensors: arrays by the reference's names; `module.` may precede every
        name, and `num_batches_tracked` is ignored.
      variables: gives the structure and shapes; ShapeDtypeStructs do.

    Returns:
      variables of float32 NumPy arrays.

    Raises:
      ValueError: lists every missing, extra or misshapen tensor.
    """
    tensors = {
        name.removeprefix("module."): np.asarray(value)
        for name, value in tensors.items()
        if not name.endswith(_IGNORED)
    }
    entries = list(_entries(variables))
    _check(entries, tensors, "the state dict", "")
    return _with_tensors(variables, entries, tensors)


def load_backbone(
    path: str | pathlib.Path,
    variables: Mapping,
    allow_missing: tuple[str, ...] = (),
) -> dict:
    """Variables whose backbone comes from a file of ImageNet weights.

    Args:
      path: a .safetensors file with torchvision's or the reference's ResNet
        names, with or without `backbone.` before them. The classifier `fc`
        is dropped; the log says so.
      variables: params and batch_stats; the head stays as it is.
      allow_missing: beginnings of names (such as "layer4") whose tensors
        may be absent: those keep the values of `variables`.

    Returns:
      new variables; what was read is float32 NumPy.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is not safetensors, or lists every tensor that is
        missing, extra or misshapen.
    """
    tensors = _read(pathlib.Path(path))
    prefix = "backbone."
    entries = [
        entry._replace(name=entry.name.removeprefix(prefix))
        for entry in _entries(variables)
        if entry.path[1] == "backbone"
    ]
    absent = [
        entry.name
        for entry in entries
        if entry.name not in tensors and entry.name.startswith(allow_missing)
    ]
    if absent and allow_missing:
        _LOGGER.warning(
            "%s lacks %d backbone tensors, which stay at their random "
            "start: %s",
            path,
            len(absent),
            ", ".join(absent),
        )
        entries = [entry for entry in entries if entry.name not in absent]
    _check(entries, tensors, str(path), _stem_hint(entries, tensors))
    return _with_tensors(variables, entries, tensors)


def _read(path):
    """Tensors of a file by name without prefix, classifier dropped."""
    if not path.is_file():
        raise FileNotFoundError(
            f"model.pretrained names {path}, but there is no such file."
        )
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f"{path} is not a safetensors file; convert it, for example with "
            "safetensors.torch.save_file(state_dict, 'weights.safetensors')."
        ) from error
    names = {name: name.removeprefix("backbone.") for name in tensors}
    dropped = [name for name in names if names[name].startswith("fc.")]
    if dropped:
        _LOGGER.info("%s: dropped %s", path, ", ".join(sorted(dropped)))
    return {
        names[name]: value
        for name, value in tensors.items()
        if name not in dropped and not name.endswith(_IGNORED)
    }


def _stem_hint(entries, tensors):
    ours = {entry.name: entry.shape for entry in entries}
    if "conv1.0.weight" in ours and "conv1.weight" in tensors:
        return " The file has a 7x7 stem: set model.stem='7x7'."
    if "conv1.weight" in ours and "conv1.0.weight" in tensors:
        return " The file has a deep stem: set model.stem='deep'."
    return ""


def _entries(variables: Mapping) -> Iterator[_Entry]:
    """Every leaf of the tree with its torch name and shape."""
    flat = traverse_util.flatten_dict(dict(variables))
    deep = any(path[2] == "stem_3" for path in flat)
    stem = _DEEP_STEM if deep else _PLAIN_STEM
    for path, leaf in flat.items():
        name = f"{_unit_name(path[1:-1], stem)}.{_LEAVES[path[-1]]}"
        yield _Entry(path, name, _torch_shape(leaf.shape))


def _unit_name(path, stem):
    """Torch's name of a module of ours, such as (head, fuse_1, bn)."""
    part, unit = path[:2]
    if part == "head":
        if unit == "classifier":
            return unit
        return _HEAD[unit][path[2] == "bn"]
    if unit in stem:
        return f"backbone.{stem[unit][path[2] == 'bn']}"
    layer, block = re.fullmatch(r"(layer\d)_(\d+)", unit).groups()
    return f"backbone.{layer}.{block}.{_BLOCK[path[2]][path[3] == 'bn']}"


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


def _check(entries, tensors, source, hint):
    ours = {entry.name: entry.shape for entry in entries}
    problems = {
        "missing": sorted(set(ours) - set(tensors)),
        "extra": sorted(set(tensors) - set(ours)),
        "misshapen": [
            f"{name} {tensors[name].shape} instead of {shape}"
            for name, shape in ours.items()
            if name in tensors and tensors[name].shape != shape
        ],
    }
    if any(problems.values()):
        found = "; ".join(
            f"{kind}: {', '.join(names)}"
            for kind, names in problems.items()
            if names
        )
        raise ValueError(f"{source} does not fit the network: {found}.{hint}")


def _with_tensors(variables, entries, tensors):
    flat = traverse_util.flatten_dict(dict(variables))
    for entry in entries:
        shape = flat[entry.path].shape
        flat[entry.path] = _to_ours(tensors[entry.name], shape)
    return traverse_util.unflatten_dict(flat)
