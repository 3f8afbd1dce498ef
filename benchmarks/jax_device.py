"""The device of our sides of benchmarks/peers.py."""

import jax

from benchmarks.peers import Setting


def check_device(setting: Setting) -> None:
    """Refuses another device than the setting's.

    Raises:
      RuntimeError: jax does not see the device.
    """
    if jax.default_backend() != setting.device:
        raise RuntimeError(f"jax sees no {setting.device}: {jax.devices()}")


def peak_device_bytes() -> int | None:
    """The most bytes that arrays took on the GPU since the process began."""
    return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
