"""Files of weights in networks with a vision transformer."""

import jax
import numpy as np
import pytest

from ipixmatch_jax.models.backbones.dinov2 import build_dinov2
from ipixmatch_jax.models.weights import (
    dinov2_names,
    files,
    load,
    unimatch_v2_names,
    vit_names,
)
from ipixmatch_jax.models.weights.load_vit import load_vit
from tests import golden_v2


@pytest.fixture(scope="module")
def like():
    return golden_v2.shapes(golden_v2.network("tiny", 5), 28)


@pytest.fixture(scope="module")
def filled(like):
    rng = np.random.default_rng(0)
    return jax.tree.map(
        lambda x: rng.standard_normal(x.shape).astype(np.float32), like
    )


def written(tmp_path, tensors, name="weights.safetensors"):
    files.write_tensors(tmp_path / name, tensors)
    return tmp_path / name


def assert_equal(tree, expected):
    jax.tree.map(np.testing.assert_array_equal, tree, expected)


def test_an_encoders_file_fills_the_backbone(tmp_path, like, filled):
    tensors = vit_names.encoder_tensors(filled["params"]["backbone"])
    for convert in (dict, dinov2_names.to_hugging_face):
        path = written(tmp_path, convert(tensors))
        loaded = load_vit(path, like)
        assert_equal(loaded["params"]["backbone"], filled["params"]["backbone"])
        assert not load.has_head(loaded)
        assert loaded["params"]["head"] == like["params"]["head"]


def test_a_whole_networks_file_fills_both(tmp_path, like, filled):
    tensors = unimatch_v2_names.to_v2_names(filled)
    tensors = {f"module.{name}": value for name, value in tensors.items()}
    loaded = load_vit(written(tmp_path, tensors), like, whole=True)
    assert_equal(loaded, filled)
    assert load.has_head(loaded)


def test_empty_batch_statistics_stay(tmp_path, like, filled):
    """So that what was read and what was drawn have one structure."""
    path = written(tmp_path, unimatch_v2_names.to_v2_names(filled))
    loaded = load_vit(path, {**like, "batch_stats": {}})
    assert loaded["batch_stats"] == {}


def test_an_encoder_alone_is_not_whole(tmp_path, like, filled):
    tensors = vit_names.encoder_tensors(filled["params"]["backbone"])
    path = written(tmp_path, tensors)
    with pytest.raises(ValueError, match=r"missing: head\.projects\.0"):
        load_vit(path, like, whole=True)


def test_what_may_be_missing_stays(tmp_path, like, filled):
    tensors = {
        name: value
        for name, value in vit_names.encoder_tensors(
            filled["params"]["backbone"]
        ).items()
        if not name.startswith("blocks.3.")
    }
    path = written(tmp_path, tensors)
    with pytest.raises(ValueError, match=r"missing: backbone\.blocks\.3"):
        load_vit(path, like)
    loaded = load_vit(path, like, ("blocks.3.",))["params"]["backbone"]
    assert loaded["block_3"] == like["params"]["backbone"]["block_3"]
    assert_equal(loaded["block_2"], filled["params"]["backbone"]["block_2"])


def test_rgb_weights_fit_images_of_one_channel(tmp_path, filled):
    tensors = vit_names.encoder_tensors(filled["params"]["backbone"])
    path = written(tmp_path, tensors)
    encoder = build_dinov2("tiny")
    grey = jax.eval_shape(
        lambda key: golden_v2.with_dpt(encoder, 5).init(
            key, np.zeros((1, 28, 28, 1), np.float32), False
        ),
        jax.random.key(0),
    )
    loaded = load_vit(path, grey)["params"]["backbone"]
    image = np.random.default_rng(1).standard_normal((1, 14, 28, 1))
    image = image.astype(np.float32)
    run = jax.jit(encoder.apply, static_argnums=2)
    one = run({"params": loaded}, image, False)
    three = run(
        {"params": filled["params"]["backbone"]},
        np.repeat(image, 3, -1),
        False,
    )
    for a, b in zip(one, three, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_a_model_of_another_size_is_named(tmp_path, like):
    other = golden_v2.shapes(build_dinov2("small"), 28)["params"]
    tensors = {
        leaf.name: np.zeros(leaf.shape, np.float16)
        for leaf in vit_names.encoder_leaves(other)
    }
    path = written(tmp_path, tensors)
    with pytest.raises(ValueError, match="its tokens have 384 channels, not"):
        load_vit(path, like)
