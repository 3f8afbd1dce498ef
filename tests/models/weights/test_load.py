"""Strict loading of files into networks, including a real file."""

import logging

import jax
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from ipixmatch_jax.models import registry as model_registry
from ipixmatch_jax.models.weights import load, torch_names
from tests import golden

pytestmark = pytest.mark.slow

TINY = model_registry.build("tiny", 5)


@pytest.fixture(scope="module")
def tiny():
    return golden.random_variables(TINY)


@pytest.fixture(scope="module")
def tiny_plain():
    return golden.random_variables(model_registry.build("tiny", 5, stem="7x7"))


@pytest.fixture
def imagenet(reference):
    path = reference.parent / "weights/resnet50_imagenet_to_layer3.safetensors"
    if not path.exists():
        pytest.skip("the ImageNet weights are not beside this checkout")
    return path


def _named(variables, begins=""):
    tensors = torch_names.to_torch_names(variables)
    return {
        name: np.ascontiguousarray(value)
        for name, value in tensors.items()
        if name.startswith(begins)
    }


def _backbone(variables):
    return {
        name.removeprefix("backbone."): value
        for name, value in _named(variables, "backbone.").items()
    }


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_a_file_of_a_backbone_does_not_change_the_head(tiny, tmp_path, prefix):
    tensors = {
        prefix + name: value.astype(np.float16)
        for name, value in _backbone(tiny).items()
    }
    tensors[prefix + "fc.weight"] = np.zeros((10, 512), np.float16)
    path = tmp_path / "tiny.safetensors"
    save_file(tensors, path)
    loaded = load.load_weights(path, golden.zeros(tiny))
    for name, value in _backbone(loaded).items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, tensors[prefix + name])
    head = loaded["params"]["head"]["classifier"]["kernel"]
    assert not head.any()
    assert not load.has_head(load.load_weights(path, golden.shapes(TINY)))
    with pytest.raises(
        ValueError, match="it lacks the head, and a whole network"
    ):
        load.load_weights(path, tiny, whole=True)


def test_a_file_of_a_whole_network_fills_it(tiny, tmp_path):
    path = tmp_path / "whole.safetensors"
    save_file({f"module.{k}": v for k, v in _named(tiny).items()}, path)
    for whole in (True, False):
        loaded = load.load_weights(path, golden.zeros(tiny), whole=whole)
        jax.tree.map(np.testing.assert_array_equal, loaded, tiny)
    assert load.has_head(load.load_weights(path, golden.shapes(TINY)))
    other = golden.zeros(golden.shapes(model_registry.build("tiny", 7)))
    with pytest.raises(ValueError, match="it has 5 classes, not 7"):
        load.load_weights(path, other)


def test_the_wrong_stem_is_named(tiny, tiny_plain, tmp_path):
    path = tmp_path / "plain.safetensors"
    save_file(_backbone(tiny_plain), path)
    with pytest.raises(
        ValueError, match=r"is 7x7, not deep: set --config\.model\.stem=7x7; "
    ):
        load.load_weights(path, tiny)
    load.load_weights(path, tiny_plain)
    save_file(_backbone(tiny), path)
    with pytest.raises(
        ValueError, match=r"is deep, not 7x7: set --config\.model\.stem=deep; "
    ):
        load.load_weights(path, tiny_plain)


@pytest.mark.parametrize(("theirs", "ours"), [("r50", "r101"), ("r101", "r50")])
def test_the_wrong_backbone_is_named(tmp_path, theirs, ours):
    shapes = golden.shapes(model_registry.build(theirs, 2))
    path = tmp_path / "resnet.safetensors"
    tensors = torch_names.to_torch_names(golden.zeros(shapes))
    save_file(
        {
            k.removeprefix("backbone."): np.zeros(v.shape, np.float16)
            for k, v in tensors.items()
            if k.startswith("backbone.")
        },
        path,
    )
    other = golden.shapes(model_registry.build(ours, 2))
    words = rf"not {ours}: set --config\.model\.backbone={theirs}; .* more"
    with pytest.raises(ValueError, match=words) as caught:
        load.load_weights(path, other)
    assert len(str(caught.value)) < 1000


def test_one_tensor_too_many_or_misshapen_loads_nothing(tiny, tmp_path):
    path = tmp_path / "tiny.safetensors"
    tensors = _backbone(tiny)
    save_file({**tensors, "layer1.0.se.fc1.weight": np.zeros((2, 2))}, path)
    with pytest.raises(ValueError, match=r"extra: .*se\.fc1\.weight \(2, 2\)"):
        load.load_weights(path, tiny)
    save_file({**tensors, "bn1.bias": np.zeros(3, np.float32)}, path)
    with pytest.raises(
        ValueError, match=r"bn1\.bias \(3,\) instead of \(32,\)"
    ):
        load.load_weights(path, tiny, ("bn1",))


def test_allowed_missing_tensors_are_listed(tiny, tmp_path, caplog):
    caplog.set_level(logging.WARNING, "ipixmatch_jax")
    path = tmp_path / "tiny.safetensors"
    tensors = _backbone(tiny)
    del tensors["layer4.0.bn2.bias"], tensors["layer4.0.bn2.weight"]
    save_file(tensors, path)
    words = r"in allow_missing; missing: backbone\.layer4\.0\.bn2\.bias \(128"
    with pytest.raises(ValueError, match=words):
        load.load_weights(path, tiny)
    with pytest.raises(ValueError, match="missing: "):
        load.load_weights(path, tiny, ("layer3",))
    with pytest.raises(ValueError, match=r"begins with 'layr4'"):
        load.load_weights(path, tiny, ("layer4", "layr4"))
    for prefix in ("layer4", "backbone.layer4.0.bn2"):
        caplog.clear()
        shapes = golden.shapes(model_registry.build("tiny", 5))
        loaded = load.load_weights(path, shapes, (prefix,))
        assert "lacks 2 tensors, which is allowed" in caplog.text
        without_head = {"backbone": loaded["params"]["backbone"]}
        assert sum(load.list_unloaded(without_head)) == 2
        pairs = zip(
            jax.tree.leaves(loaded), load.list_unloaded(loaded), strict=True
        )
        drawn = [np.zeros(leaf.shape) for leaf, missing in pairs if missing]
        merged = load.fill_unloaded(loaded, drawn)
        block = merged["params"]["backbone"]["layer4_0"]
        assert not block["conv2"]["bn"]["bias"].any()
        np.testing.assert_array_equal(
            block["conv1"]["bn"]["bias"],
            tiny["params"]["backbone"]["layer4_0"]["conv1"]["bn"]["bias"],
        )


def test_a_network_without_layer4_skips_the_files(imagenet, caplog):
    caplog.set_level(logging.INFO, "ipixmatch_jax")
    network = model_registry.build("r50c4", 7, stem="7x7")
    loaded = load.load_weights(imagenet, golden.shapes(network))
    assert not load.has_head(loaded)
    for kind in ("params", "batch_stats"):
        for leaf in jax.tree.leaves(loaded[kind]["backbone"]):
            assert isinstance(leaf, np.ndarray)
    (line,) = caplog.messages
    assert "skipped 5 tensors of stages after layer3" in line
    with safe_open(imagenet, "numpy") as file:
        kernel = file.get_tensor("layer3.5.conv2.weight")
    ours = loaded["params"]["backbone"]["layer3_5"]["conv2"]["conv"]["kernel"]
    np.testing.assert_array_equal(ours, kernel.transpose(2, 3, 1, 0))


def test_a_real_file_without_layer4(imagenet):
    network = model_registry.build("r50", 21, stem="7x7")
    start = golden.zeros(golden.shapes(network))
    with pytest.raises(
        ValueError, match=r"missing: .*layer4\.0\.conv2\.weight"
    ):
        load.load_weights(imagenet, start)
    deep = golden.shapes(model_registry.build("r50", 21))
    with pytest.raises(ValueError, match=r"set --config\.model\.stem=7x7"):
        load.load_weights(imagenet, deep, ("layer4",))
    loaded = load.load_weights(imagenet, start, ("layer4",))
    backbone = loaded["params"]["backbone"]
    stats = loaded["batch_stats"]["backbone"]
    with safe_open(imagenet, "numpy") as file:
        kernel = file.get_tensor("layer3.5.conv2.weight")
        var = file.get_tensor("layer1.0.downsample.1.running_var")
        first = file.get_tensor("conv1.weight")
    np.testing.assert_array_equal(
        backbone["layer3_5"]["conv2"]["conv"]["kernel"][2, 0, 7, 11],
        np.float32(kernel[11, 7, 2, 0]),
    )
    np.testing.assert_array_equal(
        stats["layer1_0"]["downsample"]["bn"]["var"], var
    )
    assert backbone["stem_1"]["conv"]["kernel"].shape == (7, 7, 3, 64)
    assert backbone["stem_1"]["conv"]["kernel"][1, 2, 0, 9] == first[9, 0, 1, 2]
    assert not backbone["layer4_2"]["conv3"]["conv"]["kernel"].any()
    assert backbone["layer4_0"]["conv1"]["conv"]["kernel"].any()
