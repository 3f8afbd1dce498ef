"""Pillow's Gaussian blur of a batch, with numpy or jax.numpy."""

from typing import Any

Array = Any  # numpy.ndarray or jax.Array.


def gaussian_blur(planes: Array, sigma: Array, xp: Any) -> Array:
    """Pillow's GaussianBlur: three extended box blurs along each axis.

    A sigma up to 2 gives boxes of a radius below two pixels, so five taps
    are enough. Each pass repeats the edge pixels beyond the edge.

    Args:
      planes: [B,C,S,S].
      sigma: [B], pixels.
      xp: numpy or jax.numpy.
    """
    taps = [tap[:, None, None, None] for tap in _box_taps(sigma, xp)]
    for axis in (3, 2):
        for _ in range(3):
            planes = _box_blur(planes, taps, axis, xp)
    return planes


def _box_taps(sigma: Array, xp: Any) -> list[Array]:
    """Weights [B] at distance 0, 1 and 2 of one of the three box blurs."""
    variance = sigma**2 / 3  # Of one box blur.
    whole = xp.floor((xp.sqrt(12 * variance + 1) - 1) / 2)
    part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance)
    part = part / (6 * (variance - (whole + 1) ** 2))
    inner = 1 / (2 * (whole + part) + 1)
    outer = part * inner
    wide = whole >= 1
    near = xp.where(wide, inner, outer)
    far = xp.where(wide, outer, xp.zeros_like(outer))
    return [inner, near, far]


def _box_blur(planes: Array, taps: list[Array], axis: int, xp: Any) -> Array:
    size = planes.shape[axis]
    padding = [(0, 0)] * 4
    padding[axis] = (2, 2)
    padded = xp.pad(planes, padding, mode="edge")

    def shifted(by):
        index = [slice(None)] * 4
        index[axis] = slice(2 + by, 2 + by + size)
        return padded[tuple(index)]

    return (
        taps[0] * planes
        + taps[1] * (shifted(-1) + shifted(1))
        + taps[2] * (shifted(-2) + shifted(2))
    )
