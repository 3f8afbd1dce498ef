"""The sums of the affinity / kl reading as Pallas kernels: a candidate.

For what ipixmatch_jax/losses/inter_pixel/affinity_kl.py does in XLA, whose formulas these
are. It has not been run on a GPU or TPU, only interpreted, and compiled ahead
of time for an H100 and a TPU v5e; which of the two implementations to take is
left to a measurement, `python -m benchmarks.inter_pixel --pallas_blocks=32,64`.

A program has a block of rows and goes over the blocks of columns, so only
block x block tiles are on the chip and no two programs write to one place. The
matrix is symmetric, which is not used: each entry is made twice.

GPU (Triton) and TPU (Mosaic) run the same kernels and differ in who walks the
columns. A GPU's programs run in any order, so the loop is inside a program
which sees all the columns. On a TPU they would not fit into the vector memory
(321^2 pixels by 128 lanes are 53 MB), but its grid runs in order: there the
columns are the grid's second axis, and the output block is added to.
"""

import functools

import jax
import jax.numpy as jnp
from jax import Array
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.experimental.pallas import triton as plgpu

from ipixmatch_jax.losses.inter_pixel.affinity_kl import divergence
from ipixmatch_jax.losses.inter_pixel.affinity_mse import (
    features,
    through_features,
)

_SERIES = 0.15  # below, exp(x) - 1 - x by five terms, exact to float32
_TPU = pltpu.CompilerParams(dimension_semantics=("parallel", "arbitrary"))
# The compiler's own count for an H100 and 21 classes: so tiles of 32 and of 64
# stay in the registers, and half as many warps or a tile of 128 spill.
_ROWS_PER_WARP = 8
_MOST_WARPS = 16


def value_and_grad(block: int):
    """(q, p, valid) -> value and gradient at threshold 0 and temperature 1.

    Args:
      block: as in row_sums. On a CPU the kernels are interpreted.
    """
    given = {"block": block, "interpret": jax.default_backend() == "cpu"}

    def one_image(q, p, keep):
        temperature = jnp.float32(1.0)
        f, g = (features(x, keep[:, None]) for x in (q, p))
        tiles = (f.unit, g.unit, keep, temperature)
        sums = row_sums(*tiles, **given)
        value, *shares = divergence(sums, keep, temperature)
        slope = feature_slope(*tiles, *shares, **given)
        return value, through_features(f, slope)

    def run(q, p, valid):
        rows = (x.reshape(len(x), -1, x.shape[-1]) for x in (q, p))
        values, slopes = jax.vmap(one_image)(
            *rows, valid.reshape(len(valid), -1)
        )
        return values.mean(), slopes.reshape(q.shape) / len(q)

    return run


def row_sums(
    f: Array,
    g: Array,
    keep: Array,
    temperature: Array,
    *,
    block: int,
    interpret: bool = False,
    platform: str | None = None,
) -> Array:
    """What losses/affinity_kl.py's `divergence` needs, for every row i.

    Sums over j in Omega of P~, Q~, P~ delta and P~ (exp(delta) - 1 - delta),
    where P~_ij = exp((g_i . g_j - 1) / T), Q~_ij = exp((f_i . f_j - 1) / T) and
    delta_ij = (f_i . f_j - g_i . g_j) / T. Ours. Lowers for CUDA and for TPU.

    Args:
      f: float32 [N, C], the student's features, of unit length; 0 where keep
        is False.
      g: float32 [N, C], the teacher's, likewise.
      keep: bool [N], the pixels of Omega.
      temperature: float32 scalar, T.
      block: pixels along a tile's side, a power of two: 32 or 64 on a GPU
        (larger ones do not fit), 128 to 512 on a TPU.
      interpret: emulate the kernel, on any device.
      platform: "cuda" or "tpu"; None: the one it is compiled for, "cuda" if
        it is interpreted.

    Returns:
      float32 [N, 4]; 0 in the rows outside Omega.

    Raises:
      ValueError: block is no power of two, or below 16.
    """
    pixels = keep[:, None].astype(f.dtype)
    sums = _launch(
        (_row_kernel, 4), f, g, pixels, temperature, block, interpret, platform
    )
    return jnp.where(keep[:, None], sums, 0.0)


def feature_slope(
    f: Array,
    g: Array,
    keep: Array,
    temperature: Array,
    share: Array,
    x_share: Array,
    *,
    block: int,
    interpret: bool = False,
    platform: str | None = None,
) -> Array:
    """Sum over j in Omega of W_ij f_j, for every row i.

    W_ij = (Q~_ij - P~_ij) (share_i + share_j) - P~_ij (x_share_i + x_share_j),
    which makes it the slope of the loss in f_i. Ours. Lowers for CUDA and for
    TPU.

    Args:
      f, g, keep, temperature, block, interpret, platform: as in row_sums.
      share: float32 [N], T / (n sum_j Q~_ij); 0 where keep is False.
      x_share: float32 [N], share_i sum_j (Q~_ij - P~_ij) / sum_j P~_ij.

    Returns:
      float32 [N, C]; 0 in the rows outside Omega. Raises as row_sums does.
    """
    pixels = jnp.stack([share, x_share], -1)
    kernel = (_slope_kernel, None)
    total = _launch(
        kernel, f, g, pixels, temperature, block, interpret, platform
    )
    return jnp.where(keep[:, None], total, 0.0)


def _launch(kernel, f, g, pixels, temperature, block, interpret, platform):
    """(kernel, its width), f, g [N, C] and pixels [N, k] -> [N, width]."""
    if block < 16 or block & (block - 1):
        raise ValueError(f"block is {block}: take a power of two from 16 on.")
    forms = {
        name: functools.partial(
            _call, *kernel, block=block, interpret=interpret, tpu=name == "tpu"
        )
        for name in ("cuda", "tpu")
    }
    operands = (f, g, pixels, jnp.reshape(1 / temperature, (1, 1)))
    if platform or interpret:
        return forms[platform or "cuda"](*operands)
    return jax.lax.platform_dependent(*operands, **forms)


def _call(kernel, width, f, g, pixels, scale, *, block, interpret, tpu):
    """The padding, the grid and the blocks; width None: as wide as f is."""
    n, classes = f.shape
    extra = pixels.shape[1]
    # Triton's sizes are powers of two, Mosaic's lanes come by 128.
    channels = pl.next_power_of_2(max(classes, 16))
    channels = pl.cdiv(classes, 128) * 128 if tpu else channels
    rows = pl.cdiv(n, block) * block
    f, g = (jnp.pad(x, ((0, 0), (0, channels - classes))) for x in (f, g))
    f, g, pixels = (jnp.pad(x, ((0, rows - n), (0, 0))) for x in (f, g, pixels))
    strip = block if tpu else rows
    total = pl.pallas_call(
        functools.partial(kernel, block=block, steps=rows // strip),
        grid=(rows // block, rows // strip),
        in_specs=[
            pl.BlockSpec((1, 1), lambda i, j: (0, 0)),
            pl.BlockSpec((block, channels), lambda i, j: (i, 0)),
            pl.BlockSpec((block, channels), lambda i, j: (i, 0)),
            pl.BlockSpec((block, extra), lambda i, j: (i, 0)),
            pl.BlockSpec((strip, channels), lambda i, j: (j, 0)),
            pl.BlockSpec((strip, channels), lambda i, j: (j, 0)),
            pl.BlockSpec((extra, strip), lambda i, j: (0, j)),
        ],
        out_specs=pl.BlockSpec((block, width or channels), lambda i, j: (i, 0)),
        out_shape=jax.ShapeDtypeStruct((rows, width or channels), f.dtype),
        compiler_params=_TPU if tpu else _gpu(block),
        interpret=interpret,
    )(scale, f, g, pixels, f, g, pixels.T)
    return total[:n, : width or classes]


def _gpu(block: int) -> plgpu.CompilerParams:
    warps = min(block // _ROWS_PER_WARP, _MOST_WARPS)
    return plgpu.CompilerParams(num_warps=warps, num_stages=2)


def _row_kernel(scale, f_i, g_i, _, f_j, g_j, keep_j, out, *, block, steps):
    row = _features(f_i[...], g_i[...])
    column_of = jax.lax.broadcasted_iota(jnp.int32, out.shape, 1)

    def add(columns, total):
        column = _features(f_j[columns, :], g_j[columns, :])
        p_tilde, q_tilde, delta, curved = _tile(row, column, scale[...])
        # A pixel outside Omega has features of 0, whose exp(-1 / T) is not.
        keep = keep_j[:, columns]
        terms = (p_tilde, q_tilde, p_tilde * delta, curved)
        for k, term in enumerate(terms):
            summed = jnp.sum(term * keep, 1, keepdims=True)
            total += jnp.where(column_of == k, summed, 0.0)
        return total

    _over_columns(add, f_j, out, block, steps)


def _slope_kernel(
    scale, f_i, g_i, shares_i, f_j, g_j, shares_j, out, *, block, steps
):
    row = _features(f_i[...], g_i[...])
    share_i, x_share_i = shares_i[:, 0:1], shares_i[:, 1:2]

    def add(columns, total):
        f = f_j[columns, :]
        p_tilde, _, delta, curved = _tile(
            row, _features(f, g_j[columns, :]), scale[...]
        )
        change = curved + p_tilde * delta
        weights = change * (share_i + shares_j[0:1, columns])
        weights -= p_tilde * (x_share_i + shares_j[1:2, columns])
        # Outside Omega, where the weights are not 0, f is.
        return total + _dot(weights, f, 0)

    _over_columns(add, f_j, out, block, steps)


def _over_columns(add, strip, out, block: int, steps: int):
    """out = the sum of add over the blocks of the strips of every step."""
    total = jax.lax.fori_loop(
        0,
        strip.shape[0] // block,
        lambda j, total: add(
            pl.ds(pl.multiple_of(j * block, block), block), total
        ),
        jnp.zeros(out.shape, out.dtype),
    )
    if steps > 1:
        # In the first step the output holds whatever was there before.
        first = pl.program_id(1) == 0
        total = jnp.where(first, total, out[...] + total)
    out[...] = total


def _features(f, g):
    """g, d = f - g and the mean m = g + d / 2, each [block, channels]."""
    d = f - g
    return g, d, g + 0.5 * d


def _tile(row, column, scale):
    """P~, Q~, delta and P~ (exp(delta) - 1 - delta), float32 [block, block].

    f_i . f_j - g_i . g_j is m_i . d_j + d_i . m_j, in which nothing cancels
    where f is near g.
    """
    (g_i, d_i, m_i), (g_j, d_j, m_j) = row, column
    below = _dot(g_i, g_j, 1) - 1
    apart = _dot(m_i, d_j, 1) + _dot(d_i, m_j, 1)
    delta = apart * scale
    p_tilde = jnp.exp(below * scale)
    q_tilde = jnp.exp((below + apart) * scale)
    # 1 + delta / 3 (1 + delta / 4 (1 + delta / 5 (1 + delta / 6)))
    series = 1.0
    for k in (6, 5, 4, 3):
        series = 1 + delta * (1 / k) * series
    curved = jnp.where(
        jnp.abs(delta) < _SERIES,
        p_tilde * (delta * delta * 0.5 * series),
        q_tilde - p_tilde * (1 + delta),
    )
    return p_tilde, q_tilde, delta, curved


def _dot(x, y, axis: int):
    """x y, or x y' for axis 1, in full float32: no TF32, no bfloat16."""
    return jax.lax.dot_general(
        x,
        y,
        (((1,), (axis,)), ((), ())),
        precision=jax.lax.Precision.HIGHEST,
        preferred_element_type=jnp.float32,
    )
