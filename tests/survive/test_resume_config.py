"""Which fields may change when a run continues."""

import json

import jax
import pytest

from ipixmatch_jax.configs import common, shapes
from ipixmatch_jax.configuration import saved as configuration
from ipixmatch_jax.data.source import DataSet
from ipixmatch_jax.experiment.resume import check_resume
from tests.tiny_run import build

pytestmark = pytest.mark.slow

# Another value for each field with choices; numbers are changed in the test.
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

# Which images are held out of the labelled ones.
FOLDS = {"data.folds": 5, "data.fold": 1}


def small(**changes):
    config = shapes.get_config("tiny_1_16,method=unimatch")
    config.teacher = "ema"
    config.mesh.data = 1
    config.train.batch_size = 16
    config.update_from_flattened_dict(changes)
    return config


def shapes_of(config):
    """Paths, shapes and dtypes of everything in a checkpoint."""
    names = tuple(map(str, range(config.model.num_classes)))
    like = build(config, DataSet((), (), (), None, names, ())).like
    leaves, tree = jax.tree.flatten(like)
    return tree, [(leaf.shape, leaf.dtype) for leaf in leaves]


@pytest.mark.parametrize("field", OTHERS)
def test_a_field_is_refused_if_and_only_if_the_arrays_depend_on_it(
    field, tmp_path
):
    before, after = small(), small(**{field: OTHERS[field]})
    words = f"{field} is {_get(before, field)!r} there"
    if shapes_of(before) == shapes_of(after):
        (changed,) = check_resume(before, after, tmp_path)
        assert changed.startswith(words)
    else:
        with pytest.raises(ValueError, match=words):
            check_resume(before, after, tmp_path)


@pytest.mark.parametrize("field", FOLDS)
def test_another_fold_is_refused(field, tmp_path):
    after = small(**{field: FOLDS[field]})
    with pytest.raises(ValueError, match=f"{field} is 0 there and "):
        check_resume(small(), after, tmp_path)


def _get(config, field):
    for name in field.split("."):
        config = config[name]
    return config


def test_every_other_field_is_harmless(tmp_path):
    changes = {}
    # data.channels is refused and tested with images of other channels.
    left = {*OTHERS, *FOLDS, "data.channels"}
    for section, values in small().to_dict().items():
        fields = values if isinstance(values, dict) else {section: values}
        for name, value in fields.items():
            field = f"{section}.{name}" if fields is values else name
            if type(value) in (int, float) and field not in left:
                changes[field] = value * 2 + 1
    assert len(changes) > 25
    after = small(**changes)
    changed = check_resume(small(), after, tmp_path)
    assert len(changed) == len(changes)
    # Of these two so many fit neither the devices nor the batch.
    built = changes | {"mesh.data": 1, "train.accumulate": 1}
    assert shapes_of(small(**built)) == shapes_of(small())


def test_all_that_does_not_fit_is_named_at_once(tmp_path):
    changes = {name: OTHERS[name] for name in ("teacher", "model.stem")}
    with pytest.raises(ValueError, match="give these fields their") as error:
        check_resume(small(), small(**changes, **{"train.steps": 3}), tmp_path)
    text = str(error.value)
    assert "model.stem is 'deep' there and '7x7' here" in text
    assert "teacher is 'ema' there and 'shared' here" in text
    assert "steps" not in text
    assert "\n" not in text


def test_two_students_do_not_continue_one(tmp_path):
    with pytest.raises(ValueError, match="method is 'unimatch' there"):
        check_resume(small(), small(method="cps"), tmp_path)


def test_a_field_that_an_older_version_lacks_has_its_default(tmp_path):
    saved = small().to_dict()
    del saved["train"]["log_every"]
    saved["train"]["gone"] = 3
    (tmp_path / configuration.FILE).write_text(json.dumps(saved))
    earlier = configuration.load_config(tmp_path)
    assert earlier.train.log_every == common.base().train.log_every == 50
    (changed,) = check_resume(earlier, small(), tmp_path)
    assert changed == "train.gone is 3 there and None here"


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"seed": 1',
        "[1]",
        '{"data": 5}',
        '{"seed": {"a": 1}}',
        '{"seed": []}',
        '{"data": {"root": {"a": 1}}}',
    ],
)
def test_an_incomplete_config_is_refused_by_name(tmp_path, text):
    path = tmp_path / configuration.FILE
    path.write_text(text)
    with pytest.raises(
        ValueError, match=r"whole|JSON object|instead of|type"
    ) as error:
        configuration.load_config(tmp_path)
    assert str(path) in str(error.value)
