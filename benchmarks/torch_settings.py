"""What every PyTorch side of benchmarks/peers.py sets before it builds."""

import torch

from benchmarks.peers import Setting


def prepare_torch(setting: Setting) -> torch.autocast:
    """Sets torch's threads, seed, device and the choice of its kernels.

    On GPUs cuDNN finds its fastest kernels by trial, as UniMatch's code asks
    it to, and float32 products take TensorFloat-32, as jax's do there.

    Returns:
      automatic mixed precision, which is enabled for bf16 alone.
    """
    torch.set_num_threads(setting.threads)
    torch.manual_seed(0)
    device = {"cpu": "cpu", "gpu": "cuda"}[setting.device]
    torch.set_default_device(device)
    torch.backends.cudnn.benchmark = True
    if setting.device == "gpu":
        torch.set_float32_matmul_precision("high")
    enabled = setting.precision == "bf16"
    return torch.autocast(device, torch.bfloat16, enabled=enabled)
