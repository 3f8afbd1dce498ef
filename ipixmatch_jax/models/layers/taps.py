"""A dilated 3x3 convolution as a matrix product per tap of its kernel. Ours.

Each product covers only the part of the input that its tap reads. With a
dilation of 18 on 13x13 features that is the centre tap alone, and a convolution
would multiply eight times as many zeros.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

Starts = tuple[Array, ...]


def convolve_by_taps(
    x: Array,
    kernel: Array,
    dilation: int,
    hide: Callable[[Starts], Starts] = lambda starts: starts,
) -> Array:
    """`convolve` of a 3x3 kernel at stride 1.

    Args:
      x: [B, H, W, in].
      kernel: [3, 3, in, out] of the same dtype.
      dilation: of both axes.
      hide: of where the parts of x and of the kernel start: returns them as
        values that the compiler does not know. Parts of equal size are then
        cut by one and the same program.

    Returns:
      [B, H, W, out].
    """
    cut = _Cut(dilation, hide)
    total = jnp.zeros((), x.dtype)
    for tap in _taps(x.shape, dilation):
        part = cut.read(x, tap) @ cut.matrix(kernel, tap)
        total = total + jnp.pad(part, _pads(-tap.dy, -tap.dx))
    return total


def pull_by_taps(
    x: Array,
    kernel: Array,
    slope: Array,
    dilation: int,
    hide: Callable[[Starts], Starts] = lambda starts: starts,
) -> tuple[Array, Array]:
    """Gradients of x and of the kernel; see `convolve_by_taps`.

    Args:
      x: [B, H, W, in].
      kernel: [3, 3, in, out].
      slope: gradient of the result, [B, H, W, out].
      dilation: of both axes.
      hide: as in `convolve_by_taps`.
    """
    cut = _Cut(dilation, hide)
    to_x = jnp.zeros((), x.dtype)
    to_kernel = [jnp.zeros(kernel.shape[2:], kernel.dtype)] * 9
    for tap in _taps(x.shape, dilation):
        written = cut.written(slope, tap)
        part = jnp.einsum("bhwo,io->bhwi", written, cut.matrix(kernel, tap))
        to_x = to_x + jnp.pad(part, _pads(tap.dy, tap.dx))
        to_kernel[3 * tap.row + tap.col] = jnp.einsum(
            "bhwi,bhwo->io", cut.read(x, tap), written
        )
    return to_x, jnp.stack(to_kernel).reshape(kernel.shape)


class _Tap(NamedTuple):
    """A place in the kernel, and how far from the centre it reads."""

    row: int
    col: int
    dy: int
    dx: int


def _taps(shape, dilation) -> Iterator[_Tap]:
    """The centre and every other tap that reads a value of [B, H, W, C]."""
    _, h, w, _ = shape
    for row, col in sorted(
        itertools.product(range(3), range(3)), key=lambda tap: tap != (1, 1)
    ):
        tap = _Tap(row, col, (row - 1) * dilation, (col - 1) * dilation)
        if abs(tap.dy) < h and abs(tap.dx) < w:
            yield tap


class _Cut:
    """Cuts the parts that a tap reads and writes, and its matrix."""

    def __init__(self, dilation, hide):
        # Rows and columns have starts of their own, so that programs that cut
        # parts of one size do not differ by which of them are equal.
        keys = [
            (axis, start) for axis in (0, 1) for start in (0, 1, 2, dilation)
        ]
        starts = hide(tuple(jnp.int32(start) for _, start in keys))
        self._starts = dict(zip(keys, starts, strict=True))

    def read(self, x, tap):
        """The part of x that the tap reads."""
        return self._part(x, tap.dy, tap.dx)

    def written(self, y, tap):
        """The part of the result that the tap adds to."""
        return self._part(y, -tap.dy, -tap.dx)

    def matrix(self, kernel, tap):
        """The kernel's [in, out] at the tap."""
        starts = self._starts[0, tap.row], self._starts[1, tap.col], 0, 0
        return _slice(kernel, starts, (1, 1, *kernel.shape[2:]))[0, 0]

    def _part(self, x, dy, dx):
        batch, h, w, channels = x.shape
        starts = (
            0,
            self._starts[0, max(dy, 0)],
            self._starts[1, max(dx, 0)],
            0,
        )
        size = batch, h - abs(dy), w - abs(dx), channels
        return _slice(x, starts, size)


def _slice(x, starts, size):
    return lax.dynamic_slice(x, starts, size, allow_negative_indices=False)


def _pads(dy, dx):
    rows, cols = ((max(n, 0), max(-n, 0)) for n in (dy, dx))
    return (0, 0), rows, cols, (0, 0)
