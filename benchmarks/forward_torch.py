"""The same forward pass in plain PyTorch, for benchmarks/peers.py."""

from collections.abc import Callable

import torch

from benchmarks import deeplab_torch
from benchmarks.deeplab_torch import count_parameters as count_parameters
from benchmarks.deeplab_torch import peak_device_bytes as peak_device_bytes
from benchmarks.peers import Setting


def build_step(setting: Setting) -> Callable[[], float]:
    """Logits of a batch of noise in eval mode; returns the first of them.

    Args:
      setting: with the number of torch's threads.
    """
    torch.set_num_threads(setting.threads)
    torch.manual_seed(0)
    device = {"cpu": "cpu", "gpu": "cuda"}[setting.device]
    torch.set_default_device(device)
    network = deeplab_torch.Network().eval()
    images = torch.randn(setting.batch, 3, setting.side, setting.side)
    images = images.to(memory_format=torch.channels_last)
    mixed = torch.autocast(
        device, torch.bfloat16, enabled=setting.precision == "bf16"
    )

    def once():
        with torch.inference_mode(), mixed:
            return network(images)[0, 0, 0, 0].item()

    return once
