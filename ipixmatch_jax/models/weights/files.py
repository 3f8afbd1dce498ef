"""Reads and writes files of tensors: safetensors, and torch's with torch.

The first bytes of a file say which kind it is; its name does not matter.
"""

import pathlib
import pickle
import re
import struct
import warnings
from collections.abc import Mapping

import ml_dtypes  # noqa: F401 - teaches NumPy bfloat16
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ipixmatch_jax.models.weights.wrappers import unwrap
from ipixmatch_jax.utils.atomic import replace_file

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
# The networks of one training checkpoint, the preferred first: UniMatch V2
# reports its averaged one; UniMatch v1 has `model` alone.
NETWORKS = ("model_ema", "model", "state_dict")

_LONGEST_HEADER = 100_000_000  # bytes; the safetensors format's own limit
# UniMatch's checkpoints hold NumPy scalars, such as the best score.
_NUMPY_NAMES = (
    "numpy.dtype",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "_codecs.encode",
)
# What torch raises for a file that was cut off or changed.
_DAMAGE = (
    RuntimeError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    struct.error,
)


class _Dropped:
    """A placeholder for objects in a file that are not needed."""

    def __init__(self, *_):
        pass

    def __setstate__(self, _):
        pass


def read_tensors(
    path: pathlib.Path, network: str | None = None
) -> tuple[dict[str, np.ndarray], str]:
    """Reads the tensors of a file without running any code in it.

    Args:
      path: a safetensors file; or a torch file, which holds a state dict or
        a training checkpoint.
      network: which of NETWORKS to take from a training checkpoint; None:
        the first that the checkpoint holds.

    Returns:
      arrays by name, of any dtype, without beginnings of names that all
      share (see wrappers.py), and the name of the network that was taken,
      "" if the file holds one network without a name.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file is of another kind, is damaged, wants to run code
        or lacks that network; or torch (at least 2.6) is not installed.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file.")
    with path.open("rb") as file:
        start = file.read(64)
    length = int.from_bytes(start[:8], "little")
    if start[8:9] == b"{" and length <= _LONGEST_HEADER:
        if network is not None:
            raise ValueError(_no_network(path, network))
        return unwrap(_read_safetensors(path), str(path)), ""
    # A zip archive, or a bare pickle of at least protocol 2.
    if start.startswith((b"PK\x03\x04", b"\x80")):
        tensors, taken = _choose(_read_torch(path), path, network)
        return unwrap(tensors, str(path)), taken
    if not start:
        raise ValueError(f"{path} is empty: fetch it again.")
    raise ValueError(
        f"{path} is neither a safetensors nor a torch file: it begins with "
        f"{start[:24]!r}. If a web page or a pointer was saved instead of the "
        "file, fetch the file itself."
    )


def write_tensors(
    path: pathlib.Path, tensors: Mapping[str, np.ndarray]
) -> None:
    """Writes a .safetensors file, or with torch a .pth file, atomically.

    Raises:
      ValueError: the suffix is another one, or torch is not installed.
    """
    check_suffix(path)
    # safetensors writes a transposed view's memory as it lies.
    tensors = {k: np.asarray(v, order="C") for k, v in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as partial:
        if path.suffix == ".safetensors":
            partial.write_bytes(save(tensors, metadata={"format": "pt"}))
        else:
            torch = _torch(path)
            torch.save(
                {name: torch.tensor(v) for name, v in tensors.items()}, partial
            )


def check_suffix(path: pathlib.Path) -> None:
    """Raises ValueError if `write_tensors` cannot write this path."""
    if path.suffix == ".pth":
        _torch(path)
    elif path.suffix != ".safetensors":
        raise ValueError(
            f"{path} has an unknown suffix: use .safetensors, or .pth if torch "
            "is installed."
        )


def _read_safetensors(path):
    try:
        with safe_open(path, "numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, *_DAMAGE) as error:
        raise ValueError(
            f"{path} is a damaged or cut-off safetensors file ({error}): "
            "fetch it again."
        ) from error


def _torch(path):
    """The torch package, of a version whose weights_only is safe."""
    way_out = (
        "pip install 'torch>=2.6', or use a safetensors file, which needs no "
        "torch"
    )
    try:
        import torch
    except ImportError as error:
        raise ValueError(
            f"{path} needs torch, which is not installed: {way_out}."
        ) from error
    version = tuple(map(int, torch.__version__.split(".")[:2]))
    if version < (2, 6):
        raise ValueError(
            f"{path} needs a torch that reads such files safely; "
            f"{torch.__version__} does not: {way_out}."
        )
    return torch


def _read_torch(path):
    """The object in a torch file, if it is tensors and plain containers."""
    torch = _torch(path)
    dropped = [(_Dropped, name) for name in _NUMPY_NAMES]
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            torch.serialization.safe_globals(dropped),
            path.open("rb") as file,  # given a path, torch trusts its suffix
        ):
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL:? ([\w.]+)", str(error))
        wish = (
            f"to call {found[1].rstrip('.')}" if found else "more than tensors"
        )
        raise ValueError(
            f"{path} is refused: it wants {wish}, which could run code, or it "
            "is damaged. Nothing in it was run or loaded. Use a file that "
            "holds only tensors."
        ) from error
    except _DAMAGE as error:
        raise ValueError(
            f"{path} is a damaged or cut-off torch file: fetch it again."
        ) from error


def _choose(loaded, path, network):
    """The tensors of one network, and its name in the checkpoint or ""."""
    if not isinstance(loaded, Mapping):
        raise ValueError(
            f"{path} holds a {type(loaded).__name__} instead of tensors by "
            "name."
        )
    present = [n for n in NETWORKS if isinstance(loaded.get(n), Mapping)]
    if network is not None and network not in present:
        raise ValueError(_no_network(path, network, present))
    name = network or next(iter(present), "")
    tensors = loaded[name] if name else loaded
    others = [
        str(key)
        for key, value in tensors.items()
        if not (isinstance(key, str) and hasattr(value, "detach"))
    ]
    if others or not tensors:
        raise ValueError(
            f"{path} does not hold tensors by name: look at "
            f"{', '.join(sorted(others)[:5]) or 'its empty dictionary'}."
        )
    return {
        key: _array(value, key, path) for key, value in tensors.items()
    }, name


def _array(tensor, name, path):
    tensor = tensor.detach()
    try:
        if tensor.is_floating_point():
            tensor = tensor.float()  # NumPy has no bfloat16
        return tensor.numpy()
    except (RuntimeError, TypeError) as error:  # sparse, quantised, meta
        raise ValueError(
            f"{path} holds {name}, which is not a plain tensor "
            f"({str(error).splitlines()[0]}): save it as one."
        ) from error


def _no_network(path, network, present=()):
    return (
        f"{path} has no network {network!r}; it holds "
        f"{' and '.join(present) or 'one network without a name'}."
    )
