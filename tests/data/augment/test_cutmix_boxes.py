"""CutMix boxes of a given area, and the views that contain them."""

import jax.numpy as jnp
import numpy as np

from ipixmatch_jax.data.augment import cutmix_boxes, view_recipes


def many(count, area, boxes_each, crop_size=321):
    rng = np.random.default_rng(0)
    return np.stack(
        [
            cutmix_boxes.draw_boxes(rng, crop_size, area, boxes_each)
            for _ in range(count)
        ]
    )


def test_a_box_of_half_the_area_lies_inside_the_crop():
    drawn = many(2000, (0.5, 0.5), 1)[:, 0]
    assert drawn.min() >= 0
    assert drawn.max() <= 321
    height, width = (drawn[:, 2:] - drawn[:, :2]).T
    # Sides are whole pixels: the error is half a pixel of the shorter side.
    np.testing.assert_allclose(height * width / 321**2, 0.5, rtol=0.01)
    # French et al.: the height is a power of the area, uniform in between.
    exponent = np.log(height / 321) / np.log(0.5)
    np.testing.assert_allclose(exponent.mean(), 0.5, atol=0.03)
    np.testing.assert_allclose(exponent.std(), 12**-0.5, atol=0.02)
    # Positions are uniform among those that fit.
    room = 321 - height
    place = drawn[room > 20, 0] / room[room > 20]
    np.testing.assert_allclose(place.mean(), 0.5, atol=0.03)


def test_three_boxes_share_their_area():
    drawn = many(2000, (0.25, 0.5), 3)
    assert drawn.shape == (2000, 3, 4)
    sides = drawn[..., 2:] - drawn[..., :2]
    share = 3 * sides.prod(-1) / 321**2
    np.testing.assert_allclose(share.mean(), 0.375, atol=0.005)
    assert 0.24 < share.min() < 0.26
    assert 0.49 < share.max() < 0.51


def test_a_recipe_of_boxes_only_leaves_the_colours():
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (2, 9, 9, 3), np.uint8)
    for recipe, shape in (
        (view_recipes.HALF, (2, 4)),
        (view_recipes.THREE_BOXES, (2, 3, 4)),
    ):
        drawn = [recipe.draw(rng, 9)["box_1"] for _ in range(2)]
        batch = {"image": image, "valid": image[..., 0] > 3}
        batch["box_1"] = np.stack(drawn)
        for xp in (np, jnp):
            views = recipe.apply(batch, xp)
            assert views["box_1"].shape == shape
            np.testing.assert_allclose(
                views["strong_1"] * 255, image, rtol=1e-5
            )
            np.testing.assert_array_equal(views["weak"], views["strong_1"])
            np.testing.assert_array_equal(views["valid"], batch["valid"])


def test_unimatch_draws_seeds_and_two_views():
    drawn = view_recipes.UNIMATCH.draw(np.random.default_rng(2), 33)
    again = view_recipes.STRONG.draw(np.random.default_rng(2), 33)
    assert set(drawn) == {*again, "dropout"}
    assert drawn["dropout"].dtype == np.uint32
    assert drawn["dropout"].shape == (2,)
