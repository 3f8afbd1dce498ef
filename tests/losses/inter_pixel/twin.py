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
    return temperature**2 * kl.mean()


def mean_distance(p, q):
    """Mean of 1 - Pearson's r over the rows where the teacher's varies."""
    p, q = p[p.var(-1) >= 1e-8], q[p.var(-1) >= 1e-8]
    if not len(p):
        return 0.0
    p, q = (x - x.mean(-1, keepdims=True) for x in (p, q))
    norms = np.linalg.norm(p, axis=-1) * np.linalg.norm(q, axis=-1)
    return np.mean(1 - np.sum(p * q, -1) / (norms + 1e-12))


def class_maps(logits):
    """Class probabilities [C, n], minus 1 where they are mostly near 1.

    The offset changes no correlation. Without it float64 could not resolve the
    variation of a class whose probability is near 1 everywhere.
    """
    y = softmax(logits)
    others = [np.delete(y, c, -1).sum(-1) for c in range(y.shape[-1])]
    return np.where(y.mean(0)[:, None] > 0.5, -np.array(others), y.T)


def affinity(logits):
    y = softmax(logits)
    f = y / np.linalg.norm(y, axis=-1, keepdims=True)
    return f @ f.T


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
    """Cosines of each pixel with each agent, [n, K], pair by pair."""

    def cosine(x, y):
        return x @ y / (np.linalg.norm(x) * np.linalg.norm(y))

    return np.array(
        [[cosine(x, features[k]) for k in places] for x in features]
    )


def image_loss(q, p, relation, distance, temperature, agents=64):
    """The loss of one image; q, p are float64 [n, C], the pixels of Omega."""
    if len(q) < 2:
        return 0.0
    match relation, distance:
        case "channel", "kl":
            return mean_kl(p.T, q.T, temperature)
        case "channel", "correlation":
            return mean_distance(class_maps(p), class_maps(q))
        case "pixel", "kl":
            return mean_kl(p, q, temperature)
        case "affinity", "mse":
            return np.mean((affinity(q) - affinity(p)) ** 2)
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


def gradient(q, p, valid, **settings):
    """Central differences of the batch's mean by q, float64 [B, H, W, C].

    Only confident pixels are varied. Tests of the loss itself check that the
    others do not count.
    """
    result = np.zeros(np.shape(q))
    keep = confident(p, valid, settings["threshold"])
    for place in np.argwhere(np.broadcast_to(keep[..., None], result.shape)):
        b, place = place[0], tuple(place)
        one = [np.asarray(x[b : b + 1], np.float64) for x in (q, p)]
        # The spacing of float64 at 1e4 is 2e-12.
        step = 1e-5 * max(1.0, abs(one[0][(0, *place[1:])]) * 1e-3)
        sides = []
        for sign in (1, -1):
            moved = one[0].copy()
            moved[(0, *place[1:])] += sign * step
            value = per_image(moved, one[1], valid[b : b + 1], **settings)
            sides.append(value[0])
        result[place] = (sides[0] - sides[1]) / (2 * step) / len(result)
    return result
