"""Complementary dropout: what the two views of an image lose."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.methods.complementary_dropout import (
    complementary_masks,
    multiply_channels,
)

draw = jax.jit(complementary_masks, static_argnums=1)


def seeds(count):
    rng = np.random.default_rng(0)
    return rng.integers(0, 2**32, count, np.uint32)


@pytest.mark.parametrize(("images", "kept"), [(8, 4), (5, 2), (1, 0)])
def test_half_of_the_images_keep_every_channel(images, kept):
    first, second = draw(seeds(images), (96,) * 4)
    ones = [bool((row == 1).all()) for row in first[0]]
    assert sum(ones) == kept
    for row, other, one in zip(first[0], second[0], ones, strict=True):
        assert set(np.unique(row)) == ({1} if one else {0, 2})
        np.testing.assert_array_equal(row + other, 2)


def test_maps_of_one_width_share_a_mask_and_others_do_not():
    for masks in draw(seeds(4), (64,) * 4):
        for mask in masks:
            np.testing.assert_array_equal(mask, masks[0])
    first, second = draw(seeds(4), (64, 128, 64, 256))
    assert [mask.shape for mask in first] == [
        (4, 64),
        (4, 128),
        (4, 64),
        (4, 256),
    ]
    assert not np.array_equal(first[0], first[2])
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a + b, 2)


def test_a_channel_is_lost_half_of_the_time_in_each_image_by_itself():
    drawn = seeds(200)
    (mask, *_), _ = draw(drawn, (50,) * 4)
    dropped = np.asarray(mask)[np.asarray(mask[:, 0] != 1)]
    assert dropped.shape == (100, 50)
    # 5,000 fair coins: five standard deviations are 0.035.
    assert abs((dropped == 0).mean() - 0.5) < 0.035
    assert len(np.unique(dropped, axis=0)) == 100
    again, _ = draw(drawn, (50,) * 4)
    np.testing.assert_array_equal(again[0], mask)


def test_every_place_of_a_map_is_multiplied():
    x = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    factor = np.float32([[0, 2, 1, 0, 2], [2, 2, 0, 0, 1]])
    (result,) = multiply_channels((jnp.bfloat16(x),), (factor,))
    assert result.dtype == jnp.bfloat16
    for b in range(2):
        for c in range(5):
            np.testing.assert_array_equal(
                result[b, :, :, c], x[b, :, :, c] * factor[b, c]
            )
