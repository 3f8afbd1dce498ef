"""The pixel network and its losses in float64, image by image."""

import numpy as np

from ipixmatch_jax.methods.base import Views


def draw_views(seed, b=4, side=6):
    """Draws views with two strong views, some padding and some empty boxes."""
    rng = np.random.default_rng(seed)
    shape = (4, b, side, side, 3)
    labelled, weak, *strong = np.float32(rng.standard_normal(shape))
    labels = rng.integers(0, 4, (b, side, side))
    labels[:, 0] = 255
    valid = np.ones((b, side, side), bool)
    valid[0, :, 4:] = False
    boxes = [[1, 1, 4, 5], [0, 0, 0, 0], [2, 0, 6, 3], [0, 2, 3, 6]]
    box = np.array(boxes * (b // 4))
    seeds = rng.integers(0, 2**32, (b, 2), np.uint32)
    return Views(
        labelled,
        labels,
        weak,
        tuple(strong),
        (box, box[::-1].copy()),
        valid,
        {"dropout": seeds},
    )


def widen(views):
    """Converts the images of views to float64."""
    return views._replace(
        labelled=np.float64(views.labelled),
        weak=np.float64(views.weak),
        strong=tuple(np.float64(image) for image in views.strong),
    )


class Network:
    """The pixel network in float64; a training pass updates its statistic."""

    def __init__(self, variables):
        params = variables["params"]
        self._w = np.float64(params["backbone"]["w"])
        self._b = np.float64(params["head"]["b"])
        self.mean = np.float64(variables["batch_stats"]["mean"])

    def eval(self, images):
        return (images - self.mean) @ self._w + self._b

    def train(self, *batches):
        """Logits of several batches in one training pass."""
        images, mean = self._centred(batches)
        self.mean = 0.9 * self.mean + 0.1 * mean
        return [x @ self._w + self._b for x in images]

    def dropped(self, batches, masks):
        """Logits of the last batch with masked features; updates nothing."""
        images, _ = self._centred(batches)
        first, last = masks
        x = (images[-1] * first + images[-1] * last) / 2
        return x @ self._w + self._b

    def _centred(self, batches):
        mean = np.concatenate(batches).mean((0, 1, 2))
        return [x - mean for x in batches], mean


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def softmax(x):
    return np.exp(log_softmax(x))


def cut_mix(x, box):
    """Pastes the neighbour's pixels into each image's box."""
    mixed = x.copy()
    for i, (top, left, bottom, right) in enumerate(box):
        partner = i + 1 if i % 2 == 0 else i - 1
        part = (slice(top, bottom), slice(left, right))
        mixed[i][part] = x[partner][part]
    return mixed


def cross_entropy(logits, labels):
    log_q = log_softmax(logits)
    return -np.mean(
        [
            log_q[(*place, labels[place])]
            for place in np.ndindex(labels.shape)
            if labels[place] != 255
        ]
    )


def hard_loss(logits, target, valid, threshold):
    """Cross entropy of the confident pixels over the number of valid ones."""
    log_q, total = log_softmax(logits), 0.0
    for place in np.ndindex(valid.shape):
        confidence = softmax(target[place]).max()
        if valid[place] and confidence >= threshold:
            total -= log_q[(*place, target[place].argmax())]
    return total / valid.sum()
