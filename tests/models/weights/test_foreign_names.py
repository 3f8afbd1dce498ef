"""Names of torchvision, timm and transformers, checked against lists."""

import logging

import numpy as np
import pytest

from ipixmatch_jax.models import registry as model_registry
from ipixmatch_jax.models.weights import foreign_names, torch_names
from tests import golden

NORM = ("weight", "bias", "running_mean", "running_var")


@pytest.fixture(scope="module", params=["deep", "7x7"])
def backbone(request):
    """Tensors of the tiny backbone under the reference's names."""
    variables = golden.random_variables(
        model_registry.build("tiny", 5, stem=request.param)
    )
    tensors = torch_names.to_torch_names(variables)
    return {k: v for k, v in tensors.items() if k.startswith("backbone.")}


def same(translated, expected):
    assert set(translated) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(translated[name], value)


@pytest.mark.parametrize("prefix", ["", "backbone.", "module.backbone."])
def test_files_of_a_resnet_and_its_dropped_classifier(backbone, prefix, caplog):
    caplog.set_level(logging.INFO, "ipixmatch_jax")
    theirs = {
        prefix + name.removeprefix("backbone."): value
        for name, value in backbone.items()
    }
    theirs[f"{prefix}fc.weight"] = np.zeros((10, 512), np.float32)
    theirs[f"{prefix}bn1.num_batches_tracked"] = np.array(3)
    same(foreign_names.translate(theirs, "FILE"), backbone)
    assert "FILE: dropped the classifier backbone.fc.weight" in caplog.text


def _transformers(blocks):
    """(transformers' name, torchvision's name) of every tensor."""
    pairs = [("embedder.embedder", "conv1", "bn1")]
    for stage, count in enumerate(blocks):
        for block in range(count):
            theirs = f"encoder.stages.{stage}.layers.{block}"
            ours = f"layer{stage + 1}.{block}"
            for unit in range(3):
                names = f"{ours}.conv{unit + 1}", f"{ours}.bn{unit + 1}"
                pairs.append((f"{theirs}.layer.{unit}", *names))
            if block == 0:
                names = f"{ours}.downsample.0", f"{ours}.downsample.1"
                pairs.append((f"{theirs}.shortcut", *names))
    for theirs, convolution, norm in pairs:
        yield f"{theirs}.convolution.weight", f"{convolution}.weight"
        for leaf in NORM:
            yield f"{theirs}.normalization.{leaf}", f"{norm}.{leaf}"


@pytest.mark.parametrize("prefix", ["resnet.", ""])
@pytest.mark.parametrize("blocks", [(1, 1, 1, 1), (3, 4, 6, 3)])
def test_every_name_of_transformers(prefix, blocks):
    pairs = dict(_transformers(blocks))
    assert len(pairs) == 5 * (1 + 3 * sum(blocks) + 4)
    theirs = {
        prefix + name: np.full(1, i, np.float32) for i, name in enumerate(pairs)
    }
    theirs["classifier.1.weight"] = np.zeros((1000, 2048), np.float32)
    theirs["classifier.1.bias"] = np.zeros(1000, np.float32)
    first = f"{prefix}embedder.embedder.normalization.num_batches_tracked"
    theirs[first] = np.array(1)
    expected = {
        f"backbone.{name}": np.full(1, i, np.float32)
        for i, name in enumerate(pairs.values())
    }
    same(foreign_names.translate(theirs, "FILE"), expected)


@pytest.mark.parametrize("variant", ["r50", "r101"])
def test_the_layout_of_the_published_lists(reference, variant):
    tensors = {
        name: np.broadcast_to(np.float32(0), shape)
        for name, shape in golden.keys(reference, variant).items()
    }
    translated = foreign_names.translate(tensors, "FILE")
    layout = foreign_names.layout(translated, "FILE")
    assert layout == (variant, "deep", 21, "deeplabv3plus")
    assert foreign_names.has_head(translated)


def test_the_layout_of_a_backbone(backbone):
    stem = "7x7" if "backbone.conv1.weight" in backbone else "deep"
    assert foreign_names.layout(backbone, "FILE") == ("tiny", stem, None, "")
    assert not foreign_names.has_head(backbone)


@pytest.mark.parametrize("variant", ["r50", "r50c4"])
def test_the_layout_tells_the_number_of_stages(variant):
    like = golden.zeros(golden.shapes(model_registry.build(variant, 3)))
    tensors = torch_names.to_torch_names(like)
    layout = foreign_names.layout(tensors, "FILE")
    assert layout == (variant, "deep", 3, "deeplabv3plus")


def test_a_resnet_of_another_depth_is_named():
    tensors = {
        f"backbone.layer3.{block}.conv1.weight": np.zeros(1)
        for block in range(36)
    }
    with pytest.raises(ValueError, match=r"36 blocks.*r50 \(6\), r101 \(23\)"):
        foreign_names.layout(tensors, "resnet152.pth")


def test_another_network_is_refused_by_its_names():
    vit = {"blocks.0.attn.qkv.weight": np.zeros((6, 2), np.float32)}
    vit = foreign_names.translate(vit, "FILE")
    with pytest.raises(
        ValueError, match=r"^FILE fits none of the backbones.*attn\.qkv"
    ):
        foreign_names.layout(vit, "FILE")


def test_resnet_d_is_refused_by_name():
    """timm's ResNet-D shortcut: 0 is pooling, 1 convolution, 2 batch norm."""
    tensors = {
        "conv1.0.weight": np.zeros((32, 3, 3, 3), np.float32),
        "layer1.0.downsample.1.weight": np.zeros((256, 64, 1, 1), np.float32),
        "layer1.0.downsample.2.weight": np.zeros(256, np.float32),
    }
    with pytest.raises(ValueError, match=r"ResNet-D.*timm/resnet50s"):
        foreign_names.translate(tensors, "FILE")


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (
            {"module.conv1.weight": np.zeros(1), "conv1.weight": np.zeros(1)},
            r"two tensors for backbone\.conv1\.weight",
        ),
        (
            {"conv1.weight": np.zeros(1, np.int8)},
            r"do not hold floats: backbone\.conv1\.weight int8",
        ),
    ],
)
def test_ambiguous_or_unusable_tensors_are_refused(tensors, words):
    with pytest.raises(ValueError, match=words):
        foreign_names.translate(tensors, "FILE")
