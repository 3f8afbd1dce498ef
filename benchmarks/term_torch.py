"""The same reading in plain PyTorch, for benchmarks/peers.py."""

from collections.abc import Callable

import numpy as np

from benchmarks import inter_pixel_torch
from benchmarks.deeplab_torch import peak_device_bytes as peak_device_bytes
from benchmarks.peers import Setting
from benchmarks.term_ours import count_parameters as count_parameters
from benchmarks.term_ours import draw_logits
from benchmarks.torch_settings import prepare_torch


def build_step(setting: Setting) -> Callable[[], float]:
    """Value and gradient by the student, without a mask; the value.

    Args:
      setting: its step names the reading, as "channel/kl".
    """
    prepare_torch(setting)
    q, p = draw_logits(setting)
    relation, distance = setting.step.split("/")
    valid = np.ones(q.shape[:3], bool)
    run = inter_pixel_torch.prepared(q, p, valid, relation, distance)
    return lambda: run()[0].item()
