"""Adapts weights for RGB images to other numbers of channels."""

import logging
from collections.abc import Mapping

import numpy as np

from ipixmatch_jax.models.weights.torch_names import BACKBONE, Entry

_LOGGER = logging.getLogger(__name__)

# The first convolution in the reference: of a 7x7 stem, and of a deep one.
_NAMES = (f"{BACKBONE}conv1.weight", f"{BACKBONE}conv1.0.weight")


def adapt_kernel(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Adapts a first convolution to another number of channels (as timm).

    For one channel the three are summed, so that a grey image gives what it
    gave as RGB with equal channels. For more, the three are repeated in turn
    and multiplied by 3 / channels.

    Args:
      kernel: float [out, 3, k, k].
      channels: other than 3.

    Returns:
      float32 [out, channels, k, k].
    """
    kernel = np.asarray(kernel, np.float32)
    if channels == 1:
        return kernel.sum(1, keepdims=True)
    taken = kernel[:, np.arange(channels) % 3]
    return taken * np.float32(3 / channels)


def fit_first_kernel(
    tensors: Mapping[str, np.ndarray], wanted: list[Entry], source: str
) -> Mapping[str, np.ndarray]:
    """Adapts the first convolution if the network takes other channels.

    Args:
      tensors: under the reference's names.
      wanted: the network's entries.
      source: the file's name, for the log.

    Returns:
      the tensors, unchanged if the channels fit already or the file is not
      for RGB.
    """
    for entry in wanted:
        kernel = tensors.get(entry.name)
        if entry.name not in _NAMES or kernel is None or kernel.ndim != 4:
            continue
        channels = entry.shape[1]
        if kernel.shape[1] == 3 and channels != 3:
            _LOGGER.info(
                "%s is for RGB images: %s is adapted to %d channel(s)",
                source,
                entry.name,
                channels,
            )
            return {**tensors, entry.name: adapt_kernel(kernel, channels)}
    return tensors
