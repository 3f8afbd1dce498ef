"""A network without convolution: one matrix, applied to each pixel."""

import jax.numpy as jnp
import numpy as np

from ipixmatch_jax.methods.base import NetworkOutput


def forward(variables, images, train, perturb=None, keep_clean=True):
    """Logits of (images - mean) @ w + b; the mean is the batch statistic.

    The features c1 and c4 are both images - mean; the decoder averages them.
    The head's own map has every second row and column of the logits, and its
    features are the sine of that map.
    """
    params, stats = variables["params"], variables["batch_stats"]
    mean = images.mean((0, 1, 2)) if train else stats["mean"]
    updated = {"mean": 0.9 * stats["mean"] + 0.1 * mean}

    def decode(first, last):
        x = (first + last) / 2
        logits = x @ params["backbone"]["w"] + params["head"]["b"]
        own = logits[:, ::2, ::2]
        return NetworkOutput(logits, own, jnp.sin(own))

    features = images - mean, images - mean
    output = decode(*features)
    if perturb is not None:
        perturbed = decode(*perturb(features))
        return (output, perturbed) if keep_clean else perturbed, updated
    return output, updated


def variables(seed, classes=4):
    rng = np.random.default_rng(seed)
    draw = lambda *shape: jnp.float32(3 * rng.standard_normal(shape))  # noqa: E731
    params = {"backbone": {"w": draw(3, classes)}, "head": {"b": draw(classes)}}
    return {"params": params, "batch_stats": {"mean": draw(3)}}
