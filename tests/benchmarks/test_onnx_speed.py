"""The benchmark beside onnxruntime: its numbers, and both sides agree."""

import numpy as np
import pytest

from benchmarks import onnx_speed
from ipixmatch_jax.predict import onnx_file


def test_the_summary_of_turns():
    turns = {"ours": [[2.0, 4.0, 3.0], [8.0]], "onnxruntime": [[1.0], [2.0]]}
    assert onnx_speed.summarise(turns) == {
        "ours_seconds": [3.5, 2.0, 8.0],
        "onnxruntime_seconds": [1.5, 1.0, 2.0],
        "ours_over_onnxruntime": 3.5 / 1.5,
        "ratio_of_turns": [3.0, 4.0],
    }


@pytest.mark.slow
def test_both_sides_give_the_same(tmp_path):
    for package in onnx_file.PACKAGES:
        pytest.importorskip(package)
    setting = {"network": "tiny", "workdir": None, "size": [34, 40], "batch": 2}
    onnx_speed.write_files(tmp_path, setting)
    images = np.load(tmp_path / onnx_speed.IMAGES)
    ours = onnx_speed.build_ours(tmp_path, 1)(images)
    theirs = onnx_speed.build_onnxruntime(tmp_path, 1)(images)
    assert ours.shape == (2, 34, 40, onnx_speed.CLASSES)
    np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=0)
