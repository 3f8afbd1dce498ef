"""A network of one matrix per pixel, for tests that need no convolution."""

import jax.numpy as jnp
import numpy as np


def forward(variables, images, train):
    """Logits of (images - mean) @ w + b; the mean is the batch statistic."""
    params, stats = variables["params"], variables["batch_stats"]
    mean = images.mean((0, 1, 2)) if train else stats["mean"]
    logits = (images - mean) @ params["backbone"]["w"] + params["head"]["b"]
    return logits, {"mean": 0.9 * stats["mean"] + 0.1 * mean}


def variables(seed, classes=4):
    rng = np.random.default_rng(seed)
    draw = lambda *shape: jnp.float32(3 * rng.standard_normal(shape))  # noqa: E731
    params = {"backbone": {"w": draw(3, classes)}, "head": {"b": draw(classes)}}
    return {"params": params, "batch_stats": {"mean": draw(3)}}
