"""UniMatch's training step in plain PyTorch: DeepLabV3+ on ResNet-50.

Written for benchmarks/peers.py from the facts in docs/sources.md: the same
passes, losses and optimiser as ours, where the student labels for itself.
UniMatch v1's own step runs one more pass in eval mode, for CutMix partners'
labels; it is left out here, as in ours. Images are random.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from benchmarks import deeplab_torch
from benchmarks.deeplab_torch import count_parameters as count_parameters
from benchmarks.deeplab_torch import peak_device_bytes as peak_device_bytes
from benchmarks.peers import Setting
from benchmarks.torch_settings import prepare_torch


def build_step(setting: Setting) -> Callable[[], float]:
    """One training step on fixed noise; returns its loss.

    Args:
      setting: with the number of torch's threads.
    """
    side, batch = setting.side, setting.batch
    mixed = prepare_torch(setting)
    student = deeplab_torch.Network().train()
    optimiser = torch.optim.SGD(
        [
            {"params": student.backbone.parameters(), "lr": 1e-3},
            {"params": student.head.parameters(), "lr": 1e-2},
        ],
        momentum=0.9,
        weight_decay=1e-4,
    )
    labelled, weak, first, second = torch.randn(4, batch, 3, side, side)
    labels = torch.randint(0, 21, (batch, side, side))
    boxes = torch.zeros(2, batch, side, side, dtype=torch.bool)
    boxes[..., side // 4 : side // 2, side // 4 : 3 * side // 4] = True

    def step():
        with mixed:
            logits = student(_joined(labelled, weak), F.dropout2d)
        logits_x, clean, _, perturbed = logits.float().chunk(4)
        confidence, target = clean.detach().softmax(1).max(1)
        views = [
            _paste(x, box)
            for x, box in zip((first, second), boxes, strict=True)
        ]
        with mixed:
            strong = student(_joined(*views))
        losses = [
            _sure_loss(view, _paste(target, box), _paste(confidence, box))
            for view, box in zip(strong.float().chunk(2), boxes, strict=True)
        ]
        loss_u = sum(losses) / 4 + _sure_loss(perturbed, target, confidence) / 2
        loss = (F.cross_entropy(logits_x, labels) + loss_u) / 2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def _joined(*batches):
    return torch.cat(batches).to(memory_format=torch.channels_last)


def _sure_loss(logits, target, confidence):
    entropy = F.cross_entropy(logits, target, reduction="none")
    return (entropy * (confidence >= 0.95)).mean()


def _paste(x, box):
    """CutMix with the image at the same place from the batch's end."""
    if x.ndim == 4:
        box = box[:, None]
    return torch.where(box, x.flip(0), x)
