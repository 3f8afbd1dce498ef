"""A square convolution as one operation, or as one product per tap."""

import itertools

import jax.numpy as jnp
from jax import Array, lax


def convolve(
    x: Array, kernel: Array, stride: int = 1, dilation: int = 1
) -> Array:
    """A convolution padded by dilation * (k // 2), as torch pads it.

    Rows and columns of the kernel that lie outside x wherever its centre is are
    left out: a dilation of 12 on 8x8 features reads the centre alone.

    Args:
      x: [B, H, W, in].
      kernel: [k, k, in, out] of the same dtype.
      stride: of both axes.
      dilation: of both axes.

    Returns:
      [B, ceil(H / stride), ceil(W / stride), out].
    """
    rows, cols = (_reach(side, dilation, len(kernel)) for side in x.shape[1:3])
    middle = len(kernel) // 2
    return lax.conv_general_dilated(
        x,
        kernel[
            middle - rows : middle + rows + 1, middle - cols : middle + cols + 1
        ],
        window_strides=(stride, stride),
        padding=tuple((n * dilation, n * dilation) for n in (rows, cols)),
        rhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def convolve_by_taps(x: Array, kernel: Array, dilation: int) -> Array:
    """`convolve` of a 3x3 kernel at stride 1, as a matrix product per tap.

    Each product covers only the part of x that its tap reads. With a dilation
    of 18 on 13x13 features that is the centre tap alone, and a convolution
    would multiply eight times as many zeros.
    """
    _, h, w, _ = x.shape
    total = x @ kernel[1, 1]
    for row, col in itertools.product(range(3), range(3)):
        dy, dx = (row - 1) * dilation, (col - 1) * dilation
        if (row, col) == (1, 1) or abs(dy) >= h or abs(dx) >= w:
            continue
        part = _shifted(_shifted(x, dy, 1), dx, 2) @ kernel[row, col]
        pads = ((0, 0), _pads(dy), _pads(dx), (0, 0))
        total = total + jnp.pad(part, pads)
    return total


def share_read(shape: tuple[int, ...], dilation: int) -> float:
    """How much of what a 3x3 kernel at stride 1 reads is not padding.

    Args:
      shape: [B, H, W, in] of the input.
      dilation: of both axes.
    """
    _, h, w, _ = shape
    read = (h + 2 * max(h - dilation, 0)) * (w + 2 * max(w - dilation, 0))
    return read / (9 * h * w)


def _reach(side, dilation, kernel):
    """How far from the kernel's centre values are read, in its own elements."""
    return min(kernel // 2, (side - 1) // dilation)


def _shifted(x, offset, axis):
    """The part of x that is read at an offset along an axis."""
    size = x.shape[axis]
    low, high = max(offset, 0), size + min(offset, 0)
    return lax.slice_in_dim(x, low, high, axis=axis)


def _pads(offset):
    return max(-offset, 0), max(offset, 0)
