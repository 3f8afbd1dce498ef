"""The inter-pixel loss by definition: NumPy, float64, N x N matrices."""

import numpy as np


def softmax(x, axis=-1):
    x = np.exp(x - x.max(axis, keepdims=True))
    return x / x.sum(axis, keepdims=True)


def mean_kl(p, q, temperature):
    """T^2 mean over rows of KL(softmax(p / T) || softmax(q / T))."""

    def log_softmax(x):
        x = x - x.max(-1, keepdims=True)
        return x - np.log(np.exp(x).sum(-1, keepdims=True))

    log_p, log_q = log_softmax(p / temperature), log_softmax(q / temperature)
    kl = np.sum(np.exp(log_p) * (log_p - log_q), -1)
    return temperature**2 * kl.mean(-1)


def mean_distance(p, q):
    """Mean of 1 - Pearson's r over the rows where the teacher's varies."""
    varies = p.var(-1) >= 1e-8
    p, q = p[varies], q[..., varies, :]
    if not len(p):
        return np.zeros(q.shape[:-2])
    p, q = (x - x.mean(-1, keepdims=True) for x in (p, q))
    norms = np.linalg.norm(p, axis=-1) * np.linalg.norm(q, axis=-1)
    return np.mean(1 - np.sum(p * q, -1) / (norms + 1e-12), -1)


def class_maps(logits):
    """Class probabilities [..., C, n], minus 1 where they are mostly near 1.

    The offset changes no correlation. Without it float64 could not resolve the
    variation of a class whose probability is near 1 everywhere.
    """
    y = softmax(logits)
    others = [np.delete(y, c, -1).sum(-1) for c in range(y.shape[-1])]
    mostly = y.mean(-2)[..., None] > 0.5
    return np.where(mostly, -np.stack(others, -2), y.swapaxes(-1, -2))


def affinity(logits):
    y = softmax(logits)
    f = y / np.linalg.norm(y, axis=-1, keepdims=True)
    return f @ f.swapaxes(-1, -2)


def choose_agents(features, count):
    """Places of up to `count` agents, one after another."""
    unit = features / np.linalg.norm(features, axis=-1, keepdims=True)
    free, places = list(range(len(unit))), []
    while free and len(places) < count:
        against = unit[places] if places else [unit.mean(0)]

        def closeness(i, against=against):
            return max(abs(unit[i] @ other) for other in against)

        places.append(min(free, key=closeness))
        free.remove(places[-1])
    return places


def to_agents(features, places):
    """Cosines of each pixel with each agent, [..., n, K]."""
    agents = features[..., places, :]
    products = np.sum(features[..., None, :] * agents[..., None, :, :], -1)
    norms, theirs = (np.linalg.norm(x, axis=-1) for x in (features, agents))
    return products / (norms[..., None] * theirs[..., None, :])


def image_loss(q, p, relation, distance, temperature, agents=64):
    """The loss of one image, by float64 logits of the pixels of Omega.

    Args:
      q: the student's [..., n, C], one or several versions of the image.
      p: the teacher's [n, C].
      relation, distance, temperature, agents: of the reading.

    Returns:
      float64 [...].
    """
    if len(p) < 2:
        return np.zeros(q.shape[:-2])
    match relation, distance:
        case "channel", "kl":
            return mean_kl(p.T, q.swapaxes(-1, -2), temperature)
        case "channel", "correlation":
            return mean_distance(class_maps(p), class_maps(q))
        case "pixel", "kl":
            return mean_kl(p, q, temperature)
        case "affinity", "mse":
            return np.mean((affinity(q) - affinity(p)) ** 2, (-1, -2))
        case "affinity", "correlation":
            return mean_distance(affinity(p), affinity(q))
        case "affinity", "kl":
            return mean_kl(affinity(p), affinity(q), temperature)
        case "dist", "correlation":
            within_classes = mean_distance(class_maps(p), class_maps(q))
            return within_classes + mean_distance(softmax(p), softmax(q))
        case "agents", "kl":
            places = choose_agents(p, agents)
            similarities = [to_agents(x, places) for x in (p, q)]
            return mean_kl(*similarities, temperature)
    raise AssertionError((relation, distance))


def confident(p, valid, threshold):
    return valid & (softmax(p.astype(np.float64)).max(-1) >= threshold)


def per_image(q, p, valid, *, threshold, **settings):
    """Losses, float64 [B], for q, p [B, H, W, C] and valid [B, H, W]."""
    q, p = np.asarray(q, np.float64), np.asarray(p, np.float64)
    values = [
        image_loss(qb[keep], pb[keep], **settings)
        for qb, pb, keep in zip(
            q, p, confident(p, valid, threshold), strict=True
        )
    ]
    return np.array(values)


def gradient(q, p, valid, *, threshold, **settings):
    """Central differences of the batch's mean by q, float64 [B, H, W, C].

    Only confident pixels are varied. Tests of the loss itself check that the
    others do not count.
    """
    result = np.zeros(np.shape(q))
    for b, keep in enumerate(confident(p, valid, threshold)):
        one, other = (np.asarray(x[b][keep], np.float64) for x in (q, p))
        # The spacing of float64 at 1e4 is 2e-12.
        step = 1e-5 * np.maximum(1.0, np.abs(one) * 1e-3)
        moved = np.eye(one.size).reshape(one.size, *one.shape) * step
        up, down = (
            image_loss(side, other, **settings)
            for side in (one + moved, one - moved)
        )
        slope = (up - down).reshape(one.shape) / (2 * step)
        result[b][keep] = slope / len(result)
    return result
