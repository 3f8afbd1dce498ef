"""The same forward pass in plain PyTorch, for benchmarks/peers.py."""

from collections.abc import Callable

import torch

from benchmarks import deeplab_torch
from benchmarks.deeplab_torch import count_parameters as count_parameters
from benchmarks.deeplab_torch import peak_device_bytes as peak_device_bytes
from benchmarks.peers import Setting
from benchmarks.torch_settings import prepare_torch


def build_step(setting: Setting) -> Callable[[], float]:
    """Logits of a batch of noise in eval mode; returns the first of them.

    Args:
      setting: with the number of torch's threads.
    """
    mixed = prepare_torch(setting)
    network = deeplab_torch.Network().eval()
    images = torch.randn(setting.batch, 3, setting.side, setting.side)
    images = images.to(memory_format=torch.channels_last)

    def once():
        with torch.inference_mode(), mixed:
            return network(images)[0, 0, 0, 0].item()

    return once
