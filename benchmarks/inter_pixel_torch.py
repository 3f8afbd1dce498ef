"""The readings in plain PyTorch, with every pixel confident.

They are channel-wise distillation (Shu et al., 2021), DIST's intra-class term
and its pair of terms per image (Huang et al., 2022), pairwise affinities as
N x N matrices, KL over the classes, and KL over similarities to agents (ours).
Needs torch, which the package itself does not.
"""

import numpy as np
import torch
import torch.nn.functional as F


def prepared(q, p, valid, relation: str, distance: str, dtype=None):
    """Function () -> value and gradient; the logits are on the device.

    Args:
      q: student logits [B, H, W, C], a NumPy array.
      p: teacher logits, the same.
      valid: ignored; every pixel counts.
      relation: relation of inter_pixel_loss, at temperature 1.
      distance: distance of inter_pixel_loss.
      dtype: a torch dtype; None means float32.
    """
    del valid
    device = "cuda" if torch.cuda.is_available() else "cpu"
    student, teacher = (
        torch.tensor(np.asarray(x), dtype=dtype or torch.float32)
        .flatten(1, 2)
        .to(device)
        for x in (q, p)
    )
    student.requires_grad_()

    def run():
        value = _READINGS[relation, distance](student, teacher)
        (gradient,) = torch.autograd.grad(value, student)
        if device == "cuda":
            torch.cuda.synchronize()
        return value.detach(), gradient

    return run


def _kl(student, teacher):
    """KL over the last axis, averaged over the others."""
    kl = F.kl_div(
        F.log_softmax(student, -1),
        F.log_softmax(teacher, -1),
        reduction="none",
        log_target=True,
    )
    return kl.sum(-1).mean()


def _correlation(student, teacher):
    """1 - Pearson's r over the last axis, averaged over the others."""
    student, teacher = (
        x - x.mean(-1, keepdim=True) for x in (student, teacher)
    )
    return (1 - F.cosine_similarity(student, teacher, dim=-1)).mean()


def _affinity(logits):
    f = F.normalize(logits.softmax(-1), dim=-1)
    return f @ f.mT


def _agents_kl(student, teacher, count=64):
    """KL over the cosines with up to 64 agents, greedily chosen."""
    f, g = F.normalize(student, dim=-1), F.normalize(teacher, dim=-1)
    values = []
    for one, other in zip(f, g, strict=True):
        agents = _choose_agents(other, min(count, len(other)))
        values.append(_kl(one @ one[agents].mT, other @ other[agents].mT))
    return torch.stack(values).mean()


def _choose_agents(unit, count):
    """Rows of least |cosine| to the mean, then to those chosen before."""
    closeness, chosen = (unit @ unit.mean(0)).abs(), []
    for _ in range(count):
        closeness[chosen] = torch.inf
        chosen.append(int(closeness.argmin()))
        to_it = (unit @ unit[chosen[-1]]).abs()
        first = len(chosen) == 1
        closeness = to_it if first else torch.maximum(closeness, to_it)
    return chosen


_READINGS = {
    ("channel", "kl"): lambda q, p: _kl(q.mT, p.mT),
    ("channel", "correlation"): lambda q, p: _correlation(
        q.softmax(-1).mT, p.softmax(-1).mT
    ),
    ("affinity", "mse"): lambda q, p: F.mse_loss(_affinity(q), _affinity(p)),
    ("affinity", "correlation"): lambda q, p: _correlation(
        _affinity(q), _affinity(p)
    ),
    ("affinity", "kl"): lambda q, p: _kl(_affinity(q), _affinity(p)),
    ("pixel", "kl"): _kl,
    ("dist", "correlation"): lambda q, p: (
        _correlation(q.softmax(-1).mT, p.softmax(-1).mT)
        + _correlation(q.softmax(-1), p.softmax(-1))
    ),
    ("agents", "kl"): _agents_kl,
}
