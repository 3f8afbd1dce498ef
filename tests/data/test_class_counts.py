import logging

import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.data import class_counts
from ipixmatch_jax.data.registry import open_data
from tests.data import own_folder as own


def opened(root):
    return open_data("folder", str(root), "", "", holdout=0.2)


def test_counts_equal_numpys(tmp_path):
    own.make(tmp_path, draw=own.rgb, classes=own.CLASSES)
    own.make(tmp_path / "val", 2, 2, draw=own.rgb)
    found = class_counts.count_classes(opened(tmp_path).labelled, 3)
    every = np.stack([own.ids(i) for i in range(5)])
    np.testing.assert_array_equal(
        found.pixels, [(every == k).sum() for k in range(3)]
    )
    assert found.images.tolist() == [5, 5, 5] and found.ignored == 0


def test_what_is_printed_before_training(tmp_path, caplog):
    classes = own.CLASSES | {"void": [0, 0, 0], "rust": [9, 9, 9]}
    own.make(tmp_path, 9, 4, classes=classes)
    blank = np.full((40, 48), 255, np.uint8)
    blank[0, 0] = 4  # rust, in val alone
    own.make(tmp_path / "val", 1, 0)
    own.save(tmp_path / "val/masks/0.png", Image.fromarray(blank))
    with caplog.at_level(logging.INFO):
        class_counts.log_classes(opened(tmp_path), "stop")
    text = caplog.text
    assert "4 labelled, 5 unlabelled, 1 val" in text
    crack = sum(int((own.ids(i) == 1).sum()) for i in range(4))
    line = next(x for x in text.splitlines() if x.endswith("  crack"))
    assert "200   0   0" in line and f"{crack:,d}" in line
    assert f"{crack / (4 * 40 * 48):.2%}" in line
    warned = [r.message for r in caplog.records if r.levelname == "WARNING"]
    assert "labelled training image shows 'rust':" in warned[0]
    assert "No val image shows 'ground', 'crack', 'leaf':" in warned[1]
    assert "lower the mean" in warned[1] and "with them for val" in warned[1]


def test_balanced_weights_by_hand():
    found = class_counts.ClassCounts(
        np.array([900, 90, 0, 10]), np.array([]), 7
    )
    # 1000 pixels of three classes: 1000 / (3 * 900), 1000 / (3 * 90), ...
    assert class_counts.balanced_weights(found) == (
        0.37037,
        3.7037,
        1.0,
        33.3333,
    )
    nothing = class_counts.ClassCounts(np.zeros(2, int), np.zeros(2, int), 7)
    with pytest.raises(ValueError, match="no labelled pixel has a class"):
        class_counts.balanced_weights(nothing)


def test_complete_data_gives_no_warning(tmp_path, caplog):
    own.make(tmp_path, 12, 10)
    class_counts.log_classes(opened(tmp_path), "stop")
    assert not caplog.records


def test_a_broken_mask_stops_the_count_or_is_left_out(tmp_path):
    own.make(tmp_path)
    own.make(tmp_path / "val", 1, 1)
    (tmp_path / "masks/1.png").write_bytes(b"")
    data = opened(tmp_path)
    with pytest.raises(ValueError, match=r"masks/1.png is empty"):
        class_counts.count_classes(data.labelled, 3)
    assert class_counts.count_classes(data.labelled, 3, "skip").images[0] == 4
