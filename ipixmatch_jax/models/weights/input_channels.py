"""Weights of a network of RGB images for images of other channels."""

import logging
from collections.abc import Mapping

import numpy as np

from ipixmatch_jax.models.weights.torch_names import BACKBONE, Entry

_LOGGER = logging.getLogger(__name__)

# Under the reference's names: with a 7x7 stem, and with a deep one.
_NAMES = (f"{BACKBONE}conv1.weight", f"{BACKBONE}conv1.0.weight")


def adapted(kernel: np.ndarray, channels: int) -> np.ndarray:
    """A first convolution of RGB for another number of channels (as timm).

    One channel: the sum over the three, so a grey image gives what it gave
    as RGB of equal channels. More: the three in turn, times 3 / channels.

    Args:
      kernel: float [out, 3, k, k].
      channels: 1, 2 or 4.

    Returns:
      float32 [out, channels, k, k].
    """
    kernel = np.asarray(kernel, np.float32)
    if channels == 1:
        return kernel.sum(1, keepdims=True)
    taken = kernel[:, np.arange(channels) % 3]
    return taken * np.float32(3 / channels)


def fitted(
    tensors: Mapping[str, np.ndarray], wanted: list[Entry], source: str
) -> Mapping[str, np.ndarray]:
    """Tensors with the first convolution `adapted` where it must be.

    Args:
      tensors: under the reference's names.
      wanted: what the network has.
      source: names the file in the log.

    Returns:
      the same tensors where the channels fit, or are not RGB's.
    """
    for entry in wanted:
        kernel = tensors.get(entry.name)
        if entry.name not in _NAMES or kernel is None or kernel.ndim != 4:
            continue
        channels = entry.shape[1]
        if kernel.shape[1] == 3 and channels != 3:
            _LOGGER.info(
                "%s is of RGB images: %s is fitted to %d channel(s)",
                source,
                entry.name,
                channels,
            )
            return {**tensors, entry.name: adapted(kernel, channels)}
    return tensors
