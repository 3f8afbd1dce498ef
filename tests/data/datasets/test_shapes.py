import numpy as np
import pytest

from ipixmatch_jax.data.datasets import shapes
from ipixmatch_jax.data.registry import open_data


def test_sets_and_splits():
    data = open_data("shapes", "", "", "1_16")
    sets = data.labelled, data.unlabelled, data.val, data.test
    assert [len(source) for source in sets] == [16, 240, 64, 256]
    assert len(data.class_names) == len(data.palette) == 6
    image, mask = data.labelled[0]
    assert (image.mode, image.size) == ("RGB", (96, 96))
    assert (mask.mode, mask.size) == ("L", (96, 96))
    assert data.unlabelled[0].mask is None
    assert data.val.size(0) == (96, 96)
    with pytest.raises(IndexError):
        data.val[64]


@pytest.mark.parametrize("place", [("photos", ""), ("", "photos")])
def test_a_folder_is_refused(place):
    # Else somebody's own folder would be ignored without a word.
    field = "root" if place[0] else "splits_dir"
    expected = rf"config\.data\.{field}=photos: shapes draws its own images"
    with pytest.raises(ValueError, match=expected):
        open_data("shapes", *place, "1_16")


def test_a_scene_depends_on_seed_and_index_alone():
    image, mask = shapes.draw_scene(1, 7)
    shapes.draw_scene.cache_clear()
    shapes.draw_scene(1, 3)
    again = shapes.draw_scene(1, 7)
    np.testing.assert_array_equal(image, again[0])
    np.testing.assert_array_equal(mask, again[1])
    assert (image != shapes.draw_scene(2, 7)[0]).any()
    assert (image != shapes.draw_scene(1, 8)[0]).any()


def test_no_image_is_in_two_sets_and_splits_are_nested():
    data = open_data("shapes", "", "", "1_16")
    sets = data.labelled, data.unlabelled, data.val, data.test
    names = [source.name(i) for source in sets for i in range(len(source))]
    assert len(set(names)) == len(names) == 576
    more = open_data("shapes", "", "", "1_8").labelled
    assert {more.name(i) for i in range(32)} > set(names[:16])


def test_every_class_has_its_share_of_pixels():
    masks = [shapes.draw_scene(1, i)[1] for i in range(100)]
    shares = np.bincount(np.ravel(masks), minlength=6) / np.size(masks)
    assert len(shares) == 6
    assert 0.5 < shares[0] < 0.9
    assert shares[1:].min() > 0.015


@pytest.mark.parametrize(
    ("name", "area"),
    [
        # Areas in the unit circle by geometry.
        ("disc", np.pi * 0.85),
        ("square", 1.6**2),
        ("triangle", 3 * 3**0.5 * 0.55**2),
        ("ring", np.pi * 0.7),
        ("star", 10 * 0.5 * 0.45 * np.sin(np.pi / 5)),
    ],
)
def test_outlines_have_their_areas(name, area):
    at = np.linspace(-1.5, 1.5, 601, dtype=np.float32)
    inside = shapes._INSIDE[name](*np.meshgrid(at, at))
    assert abs(inside.sum() * 0.005**2 - area) < 0.03
