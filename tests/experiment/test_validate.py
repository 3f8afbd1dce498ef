"""Refused values of channels, normalisation and class weights."""

import json

import pytest

from ipixmatch_jax.configs import folder, voc
from ipixmatch_jax.configs import shapes as shapes_config
from ipixmatch_jax.configuration import saved as configuration
from ipixmatch_jax.data.datasets import shapes
from ipixmatch_jax.experiment import validate
from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.experiment.resolve import parse_class_weights, resolve_config
from ipixmatch_jax.sweep import grid
from tests import tiny_run


def refused(match, make=folder.get_config, **changes):
    config = make("tiny")
    config.update_from_flattened_dict(
        {f.replace("__", "."): v for f, v in changes.items()}
    )
    with pytest.raises(ValueError, match=match):
        validate.check_config(config)


def test_what_does_not_go_together_is_one_sentence():
    term = {"inter_pixel__relation": "agents", "inter_pixel__distance": "kl"}
    refused(r"add --config.inter_pixel.on=features", **term)
    refused(r"goes with the relation agents", inter_pixel__on="features")
    term |= {"inter_pixel__on": "features", "inter_pixel__labelled": True}
    refused(r"the truth has no features", **term)
    refused(r"data.channels=17 is too large; it is 1 to 16", data__channels=17)
    refused(r"add --config.data.normalisation=data", data__channels=4)
    refused(r"nor with config.data.mean", data__mean="0.4,0.4,0.4")
    data = {"data__normalisation": "data"}
    refused(r"data.mean='0.4,0.4' is not 3", data__mean="0.4,0.4", **data)
    refused(r"go together", data__mean="0.4,0.4,0.4", **data)
    refused(
        r"every std is above 0",
        data__mean="0.4,0.4,0.4",
        data__std="0.2,0,0.2",
        **data,
    )
    refused(
        r"the images of voc are RGB",
        lambda _: voc.get_config("tiny_1_8"),
        data__channels=1,
        **data,
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"model__backbone": "dinov2s", "data__crop_size": 321},
            r"multiples of 14: set it to 308 or 322\.$",
        ),
        (
            {"model__backbone": "dinov3tiny", "data__crop_size": 30},
            r"multiples of 16: set it to 32\.$",
        ),
        (
            {"model__backbone": "dinov2tiny", "model__head": "deeplabv3plus"},
            r"first feature map has stride 4 .* strides are 14, 14, 14, 14\. "
            r"Set --config\.model\.head to dpt.*, or leave it empty",
        ),
    ],
)
def test_what_does_not_fit_a_backbone_is_refused(changes, words):
    refused(words, **{"data__crop_size": 56, **changes})


def test_the_fused_attention_needs_bfloat16_and_a_gpu():
    cudnn = {"model__backbone": "dinov2tiny", "model__attention": "cudnn"}
    refused("add --config.precision=bf16", data__crop_size=56, **cudnn)
    config = shapes_config.get_config("dinov2tiny_1_16")
    config.model.attention, config.precision = "cudnn", "bf16"
    config.mesh.data = 1
    validate.check_config(config)
    with pytest.raises(ValueError, match="the devices here are of kind cpu"):
        tiny_run.build(config)


def test_the_dpt_head_fits_a_resnet():
    config = folder.get_config("tiny")
    config.model.head = "dpt"
    validate.check_config(config)


def test_weights_need_a_cross_entropy_and_numbers():
    for name in ("ohem", "dice"):
        refused(
            f"labelled={name} does not use",
            loss__labelled=name,
            loss__class_weights="balanced",
        )
    refused(
        r"class_weights='heavy' is not numbers", loss__class_weights="heavy"
    )
    refused(r"weights no class", loss__class_weights="0,0")
    refused(r"weights no class", loss__class_weights="")


def test_another_number_of_weights_than_classes_is_refused():
    config = shapes_config.get_config()
    config.loss.class_weights = "1,2,3"
    with pytest.raises(ValueError, match=r"class_weights='1,2,3' is not 6"):
        resolve_config(config, open_data(config))
    config.loss.class_weights = "1,2,3,4,5,6"
    resolved = resolve_config(config, open_data(config))
    assert parse_class_weights(resolved) == (1, 2, 3, 4, 5, 6)


def test_a_sweep_continues_with_the_measured_values(tmp_path, monkeypatch):
    monkeypatch.setattr(shapes, "TRAIN", 32)
    config = shapes_config.get_config()
    config.data.normalisation = "data"
    config.loss.class_weights = "balanced"
    (cell,) = grid.make_grid(config, ["seed=0"], None, tmp_path).cells
    begun = resolve_config(cell.config, open_data(cell.config))
    assert begun.data.mean.count(",") == begun.data.std.count(",") == 2
    assert begun.loss.class_weights.count(",") == 5
    cell.workdir.mkdir(parents=True)
    configuration.save_config(begun, cell.workdir)
    grid.make_grid(config, ["seed=0"], None, tmp_path)
    path = cell.workdir / configuration.FILE
    saved = json.loads(path.read_text())
    saved["data"]["crop_size"] = 65
    path.write_text(json.dumps(saved))
    with pytest.raises(ValueError, match=r"data.crop_size is 65 there"):
        grid.make_grid(config, ["seed=0"], None, tmp_path)
