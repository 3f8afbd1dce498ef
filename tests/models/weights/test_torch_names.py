"""Conversion to the reference's names, shapes and axes, and back."""

import numpy as np
import pytest

from ipixmatch_jax.models import registry as model_registry
from ipixmatch_jax.models.weights import torch_names
from tests import golden


@pytest.fixture(scope="module")
def tiny():
    return golden.random_variables(model_registry.build("tiny", 5))


@pytest.mark.parametrize(
    ("backbone", "count"), [("r50", 40_475_957), ("r101", 59_468_085)]
)
def test_names_shapes_and_count_equal_the_references(
    reference, backbone, count
):
    shapes = golden.shapes(model_registry.build(backbone, 21))
    params = torch_names.to_torch_names(golden.zeros(shapes))
    complete = torch_names.with_counters(params)
    assert {
        name: value.shape for name, value in complete.items()
    } == golden.keys(reference, backbone)
    assert {
        value.dtype for name, value in complete.items() if name not in params
    } == {np.dtype(np.int64)}
    learnt = (
        value.size for name, value in params.items() if "running" not in name
    )
    assert sum(learnt) == count
    assert set(shapes["params"]) == {"backbone", "head"}


def test_kernels_are_transposed_to_torchs_order(tiny):
    kernel = tiny["params"]["head"]["fuse_1"]["conv"]["kernel"]
    named = torch_names.to_torch_names(tiny)["fuse.0.weight"]
    assert named[5, 7, 0, 2] == kernel[0, 2, 7, 5]
    classifier = tiny["params"]["head"]["classifier"]["kernel"]
    named = torch_names.to_torch_names(tiny)["classifier.weight"]
    assert named[3, 7, 0, 0] == classifier[7, 3]


def test_conversion_and_back_is_exact(tiny):
    tensors = {
        f"module.{name}": value
        for name, value in torch_names.to_torch_names(tiny).items()
    }
    tensors["module.backbone.bn1.num_batches_tracked"] = np.int64(3)
    back = torch_names.from_torch_names(tensors, golden.zeros(tiny))
    expected = torch_names.to_torch_names(tiny)
    for name, value in torch_names.to_torch_names(back).items():
        np.testing.assert_array_equal(value, expected[name])


def test_every_misfit_is_listed_at_once(tiny):
    tensors = torch_names.to_torch_names(tiny)
    del tensors["reduce.1.bias"]
    tensors["fuse.9.weight"] = np.zeros(1)
    tensors["classifier.bias"] = np.zeros(6)
    with pytest.raises(ValueError, match="does not fit") as caught:
        torch_names.from_torch_names(tensors, tiny)
    for part in (
        "missing: reduce.1.bias (48,)",
        "extra: fuse.9.weight (1,)",
        "misshapen: classifier.bias (6,) instead of (5,)",
    ):
        assert part in str(caught.value)


def test_after_ten_names_comes_a_count(tiny):
    count = len(torch_names.to_torch_names(tiny))
    with pytest.raises(ValueError, match=f"and {count - 10} more") as caught:
        torch_names.from_torch_names({}, tiny)
    assert str(caught.value).count("(") < 12
