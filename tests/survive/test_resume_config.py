"""What may change when a run continues, and what may not."""

import json

import jax
import pytest

from ipixmatch_jax.configs import common, shapes
from ipixmatch_jax.configuration import saved as configuration
from ipixmatch_jax.data.source import DataSet
from ipixmatch_jax.training import setup

# Another value of each field that has one; numbers get half of theirs.
OTHERS = {
    "method": "fixmatch",
    "teacher": "shared",
    "precision": "bf16",
    "train.schedule": "constant",
    "train.optimiser": "adam",
    "train.batch_size": 32,
    "data.root": "elsewhere",
    "data.split": "1_8",
    "data.apply_views": "host",
    "data.on_error": "skip",
    "model.backbone": "r50",
    "model.stem": "7x7",
    "model.output_stride": 8,
    "model.num_classes": 7,
    "loss.labelled": "ohem",
    "inter_pixel.relation": "pixel",
    "evaluate.mode": "center_crop",
    "mesh.fsdp": 2,
}


def small(**changes):
    config = shapes.get_config("tiny_1_16,method=unimatch")
    config.teacher = "ema"
    config.mesh.data = 1
    config.train.batch_size = 16
    config.update_from_flattened_dict(changes)
    return config


def shapes_of(config):
    """Paths, shapes and types of all that a checkpoint holds."""
    names = tuple(map(str, range(config.model.num_classes)))
    like = setup.build(config, DataSet((), (), (), None, names, ())).like
    leaves, tree = jax.tree.flatten(like)
    return tree, [(leaf.shape, leaf.dtype) for leaf in leaves]


@pytest.mark.parametrize("field", OTHERS)
def test_a_field_is_refused_if_and_only_if_the_arrays_depend_on_it(
    field, tmp_path
):
    before, after = small(), small(**{field: OTHERS[field]})
    configuration.save(before, tmp_path)
    words = f"{field} is {_get(before, field)!r} there"
    if shapes_of(before) == shapes_of(after):
        (changed,) = configuration.check_resume(after, tmp_path)
        assert changed.startswith(words)
    else:
        with pytest.raises(ValueError, match=words):
            configuration.check_resume(after, tmp_path)


def _get(config, field):
    for name in field.split("."):
        config = config[name]
    return config


def test_every_other_field_is_harmless(tmp_path):
    changes = {}
    # Refused, and a test of the images that have other numbers of them.
    left = {*OTHERS, "data.channels"}
    for section, values in small().to_dict().items():
        fields = values if isinstance(values, dict) else {section: values}
        for name, value in fields.items():
            field = f"{section}.{name}" if fields is values else name
            if type(value) in (int, float) and field not in left:
                changes[field] = value * 2 + 1
    assert len(changes) > 25
    configuration.save(small(), tmp_path)
    after = small(**changes)
    assert len(configuration.check_resume(after, tmp_path)) == len(changes)
    # Of these two so many fit neither the devices nor the batch.
    built = changes | {"mesh.data": 1, "train.accumulate": 1}
    assert shapes_of(small(**built)) == shapes_of(small())


def test_all_that_does_not_fit_is_named_at_once(tmp_path):
    configuration.save(small(), tmp_path)
    changes = {name: OTHERS[name] for name in ("teacher", "model.stem")}
    with pytest.raises(ValueError, match="give these fields their") as error:
        configuration.check_resume(
            small(**changes, **{"train.steps": 3}), tmp_path
        )
    text = str(error.value)
    assert "model.stem is 'deep' there and '7x7' here" in text
    assert "teacher is 'ema' there and 'shared' here" in text
    assert "steps" not in text
    assert "\n" not in text


def test_two_students_do_not_continue_one(tmp_path):
    configuration.save(small(), tmp_path)
    with pytest.raises(ValueError, match="method is 'unimatch' there"):
        configuration.check_resume(small(method="cps"), tmp_path)


def test_a_field_of_another_version_is_shown(tmp_path):
    saved = small().to_dict()
    del saved["train"]["log_every"]
    (tmp_path / configuration.FILE).write_text(json.dumps(saved))
    (changed,) = configuration.check_resume(small(), tmp_path)
    assert changed == "train.log_every is None there and 50 here"
    assert common.base().train.log_every == 50


@pytest.mark.parametrize("text", ["", '{"seed": 1'])
def test_a_config_that_is_not_whole_is_named(tmp_path, text):
    path = tmp_path / configuration.FILE
    path.write_text(text)
    with pytest.raises(ValueError, match=r"not whole .* remove it") as error:
        configuration.load(tmp_path)
    assert str(path) in str(error.value)
