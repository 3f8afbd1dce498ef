"""The names by which label tools know the suggested images."""

import pytest

from ipixmatch_jax.suggest.tool_names import names_in_tool


@pytest.mark.parametrize(
    ("names", "right"),
    [
        (["images/a.jpg", "images/b/c.jpg"], ["a.jpg", "b/c.jpg"]),
        (["train/images/a.jpg"], ["a.jpg"]),
        (["JPEGImages/a.jpg"], ["a.jpg"]),
        (["photos/images/images.jpg"], ["images.jpg"]),
        (["images/a.jpg", "more/a.jpg"], ["images/a.jpg", "more/a.jpg"]),
        (["a.jpg", "images/a.jpg"], ["a.jpg", "images/a.jpg"]),
        (
            ["field 1/a.jpg", "field 1/b.jpg"],
            ["field 1/a.jpg", "field 1/b.jpg"],
        ),
        ([], []),
    ],
)
def test_folders_that_only_hold_all_images_go(names, right):
    assert names_in_tool(names) == right
