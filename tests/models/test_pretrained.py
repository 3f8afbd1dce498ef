"""The reference's names, and files of ImageNet weights."""

import golden
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from ipixmatch_jax import models
from ipixmatch_jax.models import pretrained


@pytest.fixture(scope="module")
def tiny():
    return golden.random_variables(models.build("tiny", 5))


@pytest.fixture(scope="module")
def tiny_plain():
    return golden.random_variables(models.build("tiny", 5, stem="7x7"))


@pytest.fixture
def imagenet(reference):
    path = reference.parent / "weights/resnet50_imagenet_to_layer3.safetensors"
    if not path.exists():
        pytest.skip("the ImageNet weights are not beside this checkout")
    return path


def _backbone(variables):
    tensors = pretrained.to_torch_names(variables)
    prefix = "backbone."
    return {
        name.removeprefix(prefix): np.ascontiguousarray(value)
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


@pytest.mark.parametrize(
    ("backbone", "count"), [("r50", 40_475_957), ("r101", 59_468_085)]
)
def test_names_shapes_and_count_are_the_references(reference, backbone, count):
    shapes = golden.shapes(models.build(backbone, 21))
    params = pretrained.to_torch_names(golden.zeros(shapes))
    expected = {
        name: shape
        for name, shape in golden.keys(reference, backbone).items()
        if not name.endswith("num_batches_tracked")
    }
    assert {name: value.shape for name, value in params.items()} == expected
    learnt = (
        value.size for name, value in params.items() if "running" not in name
    )
    assert sum(learnt) == count
    assert set(shapes["params"]) == {"backbone", "head"}


def test_kernels_are_transposed_to_torchs_order(tiny):
    kernel = tiny["params"]["head"]["fuse_1"]["conv"]["kernel"]
    named = pretrained.to_torch_names(tiny)["fuse.0.weight"]
    assert named[5, 7, 0, 2] == kernel[0, 2, 7, 5]
    classifier = tiny["params"]["head"]["classifier"]["kernel"]
    named = pretrained.to_torch_names(tiny)["classifier.weight"]
    assert named[3, 7, 0, 0] == classifier[7, 3]


def test_there_and_back(tiny):
    tensors = {
        f"module.{name}": value
        for name, value in pretrained.to_torch_names(tiny).items()
    }
    tensors["module.backbone.bn1.num_batches_tracked"] = np.int64(3)
    back = pretrained.from_torch_names(tensors, golden.zeros(tiny))
    expected = pretrained.to_torch_names(tiny)
    for name, value in pretrained.to_torch_names(back).items():
        np.testing.assert_array_equal(value, expected[name])


def test_every_misfit_is_listed_at_once(tiny):
    tensors = pretrained.to_torch_names(tiny)
    del tensors["reduce.1.bias"]
    tensors["fuse.9.weight"] = np.zeros(1)
    tensors["classifier.bias"] = np.zeros(6)
    with pytest.raises(ValueError, match="does not fit") as caught:
        pretrained.from_torch_names(tensors, tiny)
    for part in (
        "missing: reduce.1.bias",
        "extra: fuse.9.weight",
        "misshapen: classifier.bias (6,) instead of (5,)",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_a_backbone_file_with_classifier(tiny, tmp_path, prefix):
    tensors = {
        prefix + name: value.astype(np.float16)
        for name, value in _backbone(tiny).items()
    }
    tensors[prefix + "fc.weight"] = np.zeros((10, 512), np.float16)
    path = tmp_path / "tiny.safetensors"
    save_file(tensors, path)
    loaded = pretrained.load_backbone(path, golden.zeros(tiny))
    for name, value in _backbone(loaded).items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, tensors[prefix + name])
    head = loaded["params"]["head"]["classifier"]["kernel"]
    assert not head.any()


def test_the_wrong_stem_is_named(tiny, tiny_plain, tmp_path):
    path = tmp_path / "plain.safetensors"
    save_file(_backbone(tiny_plain), path)
    with pytest.raises(ValueError, match=r"set model\.stem='7x7'"):
        pretrained.load_backbone(path, tiny)
    pretrained.load_backbone(path, tiny_plain)


def test_other_files_are_refused_with_the_way_out(tiny, tmp_path):
    path = tmp_path / "resnet50.pth"
    with pytest.raises(FileNotFoundError, match=r"resnet50\.pth"):
        pretrained.load_backbone(path, tiny)
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(ValueError, match="not a safetensors file; convert it"):
        pretrained.load_backbone(path, tiny)


def test_a_real_file_without_layer4(imagenet):
    network = models.build("r50", 21, stem="7x7")
    start = golden.zeros(golden.shapes(network))
    with pytest.raises(
        ValueError, match=r"missing: .*layer4\.2\.conv3\.weight"
    ):
        pretrained.load_backbone(imagenet, start)
    loaded = pretrained.load_backbone(imagenet, start, ("layer4",))
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
