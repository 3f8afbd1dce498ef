"""DINOv3's tensors under the names of Meta, Hugging Face and timm."""

import numpy as np
import pytest

from ipixmatch_jax.models.backbones.dinov3 import SIZES, build_dinov3
from ipixmatch_jax.models.weights import dinov3_names, vit_names
from tests import golden_v2

# "small" was counted on the model itself; the rest follow from the widths:
# depth * (12 d^2 + 14 d) + 777 d.
COUNTS = {"small": 21_596_544, "base": 85_660_416, "large": 303_129_600}


def shaped(size):
    like = golden_v2.shapes(build_dinov3(size), 32)["params"]
    return {x.name: x.shape for x in vit_names.encoder_leaves(like)}, like


@pytest.fixture(scope="module")
def published(reference):
    """Tensors of the list of Hugging Face's small model, random."""
    shapes = golden_v2.keys(reference, "dinov3_vits16_keys.txt")
    return {n: golden_v2.tensor(n, s) for n, s in shapes.items()}


@pytest.mark.parametrize("size", COUNTS)
def test_counts_and_hugging_faces_list_by_the_rule(reference, size):
    shapes, _ = shaped(size)
    assert sum(np.prod(shape) for shape in shapes.values()) == COUNTS[size]
    zeros = {n: np.broadcast_to(np.float32(0), s) for n, s in shapes.items()}
    theirs = dinov3_names.to_hugging_face(zeros)
    width, depth, *_ = SIZES[size]
    small = golden_v2.keys(reference, "dinov3_vits16_keys.txt")
    # The list of the small model, at this width and for this many blocks.
    widths = {384: width, 1536: 4 * width}
    expected = {}
    for name, shape in small.items():
        shape = tuple(widths.get(n, n) for n in shape)
        begin, number, rest = (*name.split(".", 2), "", "")[:3]
        if begin != "layer":
            expected[name] = shape
        elif number == "0":
            expected |= {f"layer.{i}.{rest}": shape for i in range(depth)}
    assert {n: v.shape for n, v in theirs.items()} == expected


@pytest.mark.parametrize(
    "convert",
    [dinov3_names.to_hugging_face, dinov3_names.to_timm, dinov3_names.to_meta],
)
def test_there_and_back(published, convert):
    ours = dinov3_names.translate(published, "a file")
    ours["mask_token"] = np.zeros_like(ours["mask_token"])
    named = convert(ours)
    back = dinov3_names.translate(named, "a file")
    assert set(back) == set(ours)
    for name, value in back.items():
        np.testing.assert_array_equal(value, ours[name])


def test_meta_keeps_a_masked_bias_and_its_buffers(published):
    ours = dinov3_names.translate(published, "a file")
    theirs = dinov3_names.to_meta(ours)
    bias = theirs["blocks.5.attn.qkv.bias"]
    q, v = (published[f"layer.5.attention.{p}_proj.bias"] for p in "qv")
    np.testing.assert_array_equal(bias, [*q, *np.zeros(384), *v])
    assert theirs["blocks.5.attn.qkv.bias_mask"].sum() == 2 * 384
    assert theirs["rope_embed.periods"].shape == (16,)
    # What the mask hides does not matter, not even NaN.
    bias[384:768] = np.nan
    back = dinov3_names.translate(theirs, "a file")
    np.testing.assert_array_equal(back["blocks.5.attn.q_bias"], q)
    del theirs["blocks.5.attn.qkv.bias_mask"]
    with pytest.raises(ValueError, match="a file has a bias for the keys"):
        dinov3_names.translate(theirs, "a file")


def test_timms_models_without_biases_get_zeros(published):
    ours = dinov3_names.translate(published, "a file")
    theirs = {
        name: value
        for name, value in dinov3_names.to_timm(ours).items()
        if not name.endswith(("q_bias", "v_bias"))
    }
    back = dinov3_names.translate(theirs, "a file")
    assert set(back) == set(ours)
    assert not back["blocks.11.attn.v_bias"].any()


def test_dinov2s_weights_are_refused():
    _, like = shaped("small")
    tensors = {"pos_embed": np.zeros((1, 1370, 384))}
    with pytest.raises(ValueError, match="choose a dinov2 backbone"):
        vit_names.fill_encoder(tensors, like, "a file")
