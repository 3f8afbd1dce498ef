"""Whole networks under UniMatch V2's names, there and back."""

import jax
import numpy as np
import pytest

from ipixmatch_jax.models.backbones.dinov3 import build_dinov3
from ipixmatch_jax.models.backbones.resnet import build_resnet
from ipixmatch_jax.models.heads import dpt
from ipixmatch_jax.models.weights import files, layouts, unimatch_v2_names
from tests import golden_v2

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("size", "count"), [("small", 24_795_637), ("base", 97_528_789)]
)
def test_names_shapes_and_counts_are_the_references(reference, size, count):
    like = golden_v2.shapes(golden_v2.network(size), 28)
    leaves = list(unimatch_v2_names.network_leaves(like))
    expected = golden_v2.keys(reference, f"unimatch_v2_dpt_{size}_keys.txt")
    assert {leaf.name: leaf.shape for leaf in leaves} == expected
    assert sum(np.prod(leaf.shape) for leaf in leaves) == count


@pytest.mark.parametrize("size", ["large", "giant"])
def test_the_larger_heads_by_v2s_widths(size):
    """V2 lists no keys for these: 31.2 million parameters for "large"."""
    levels, features = dpt.SIZES[size]
    like = golden_v2.shapes(golden_v2.network(size), 28)
    shapes = {
        leaf.name: leaf.shape
        for leaf in unimatch_v2_names.network_leaves(like)
        if leaf.name.startswith("head.")
    }
    width = {"large": 1024, "giant": 1536}[size]
    for i, level in enumerate(levels):
        name = f"head.projects.{i}.weight"
        assert shapes[name] == (level, width, 1, 1)
        name = f"head.scratch.layer{i + 1}_rn.weight"
        assert shapes[name] == (features, level, 3, 3)
    if size == "large":
        total = sum(np.prod(shape) for shape in shapes.values())
        assert round(total / 1e6, 1) == 31.2


def test_there_and_back():
    tensors = golden_v2.tensors()
    back = unimatch_v2_names.to_v2_names(golden_v2.variables())
    assert set(back) == set(tensors)
    for name, value in back.items():
        np.testing.assert_array_equal(value, tensors[name])


def test_transposed_convolutions_keep_torchs_order():
    weight = golden_v2.tensors()["head.resize_layers.0.weight"]
    head = golden_v2.variables()["params"]["head"]
    # torch: [in, out, row, column].
    assert head["resample_1"]["kernel"][1, 3, 7, 40] == weight[7, 40, 1, 3]
    weight = golden_v2.tensors()["head.resize_layers.3.weight"]
    kernel = head["resample_4"]["conv"]["kernel"]
    assert kernel[0, 2, 7, 40] == weight[40, 7, 0, 2]


def test_a_dinov3_network_takes_metas_names_after_the_prefix():
    network = golden_v2.with_dpt(build_dinov3("small"), 5)
    rng = np.random.default_rng(0)
    like = golden_v2.shapes(network, 32)
    tensors = {
        leaf.name: rng.standard_normal(leaf.shape).astype(np.float32)
        for leaf in unimatch_v2_names.network_leaves(like)
    }
    leaves = unimatch_v2_names.network_leaves(like)
    variables = layouts.fill_tree(like, leaves, tensors, "the test")
    theirs = unimatch_v2_names.to_v2_names(variables)
    assert "backbone.blocks.0.attn.qkv.bias_mask" in theirs
    back = unimatch_v2_names.from_v2_names(theirs, like)
    again = unimatch_v2_names.to_v2_names(back)
    for name, value in theirs.items():
        np.testing.assert_array_equal(again[name], value)


def test_a_resnet_below_the_head_keeps_unimatchs_names():
    network = golden_v2.with_dpt(build_resnet("tiny"), 5)
    rng = np.random.default_rng(0)
    like = golden_v2.shapes(network, 33)
    variables = jax.tree.map(
        lambda x: rng.standard_normal(x.shape).astype(np.float32), like
    )
    theirs = unimatch_v2_names.to_v2_names(variables)
    for name in (
        "backbone.layer4.0.conv2.weight",
        "backbone.layer4.0.bn2.running_var",
        "head.scratch.layer4_rn.weight",
    ):
        assert name in theirs
    counted = {f"module.{name}": value for name, value in theirs.items()}
    counted["module.backbone.bn1.num_batches_tracked"] = np.int64(3)
    back = unimatch_v2_names.from_v2_names(counted, like)
    jax.tree.map(np.testing.assert_array_equal, back, variables)


def test_another_size_is_refused_in_one_sentence():
    like = golden_v2.shapes(golden_v2.network("base"), 28)
    tensors = golden_v2.tensors()
    with pytest.raises(ValueError, match=r"^best.pth does not fit") as caught:
        unimatch_v2_names.from_v2_names(tensors, like, "best.pth")
    assert "(384,) instead of (768,)" in str(caught.value)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize("name", ["model", "model_ema", None])
def test_a_checkpoint_of_v2s_training(tmp_path, name):
    torch = pytest.importorskip("torch")
    factors = {"model": 1.0, "model_ema": 0.5}
    saved = {
        key: {
            f"module.{n}": torch.tensor(value * np.float32(factor))
            for n, value in golden_v2.tensors().items()
        }
        for key, factor in factors.items()
    }
    path = tmp_path / "best.pth"
    torch.save({**saved, "epoch": 3, "previous_best": 79.03}, path)
    tensors, taken = files.read_tensors(path, name)
    assert taken == (name or "model_ema")
    variables = unimatch_v2_names.from_v2_names(
        tensors, golden_v2.variables(), str(path)
    )
    bias = variables["params"]["head"]["classifier"]["bias"]
    expected = golden_v2.variables()["params"]["head"]["classifier"]["bias"]
    np.testing.assert_array_equal(bias, expected * factors[taken])
