"""Which program computes a transformer's attention on a run's devices."""

from typing import Literal

import jax
from jax.sharding import Mesh
from ml_collections import FrozenConfigDict

# Compute capability from which cuDNN has a fused kernel: A100 and later.
_LEAST_CAPABILITY = (8, 0)


def choose_attention(
    config: FrozenConfigDict, mesh: Mesh
) -> Literal["xla", "cudnn"]:
    """The config's `model.attention`, with auto decided for the devices.

    auto is cuDNN's fused kernel where it can run: with bfloat16, on NVIDIA
    GPUs from A100 on. A train step of DINOv2-S takes 0.62 times as long with
    it and a third of the memory (docs/benchmarks.md). With fsdp, which may
    shard the channels of a head, auto leaves the attention to XLA.

    Raises:
      ValueError: cudnn is asked for, and the devices are not GPUs.
    """
    asked = config.model.attention
    device = mesh.devices.flat[0]
    if asked == "cudnn" and device.platform != "gpu":
        raise ValueError(
            "config.model.attention=cudnn needs an NVIDIA GPU, and the "
            f"devices here are of kind {device.platform}: set it to auto."
        )
    if asked != "auto":
        return asked
    fits = config.precision == "bf16" and mesh.shape["fsdp"] == 1
    return "cudnn" if fits and _has_fused_kernel(device) else "xla"


def _has_fused_kernel(device: jax.Device) -> bool:
    # AMD's GPUs are of platform "gpu", too; "cuda" is in the version alone.
    if device.platform != "gpu" or "cuda" not in device.client.platform_version:
        return False
    capability = map(int, device.compute_capability.split("."))
    return tuple(capability) >= _LEAST_CAPABILITY
