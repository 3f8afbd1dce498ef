"""A square convolution as one operation."""

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
