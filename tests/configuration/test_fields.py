"""The table of config fields, and what config files may not set."""

import ast
import pathlib
import sys

import pytest

from ipixmatch_jax.configs import common, shapes
from ipixmatch_jax.configuration import files
from ipixmatch_jax.configuration.field import Field
from ipixmatch_jax.configuration.fields import FIELDS, find_field
from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.experiment.resolve import program_key, resolve_config
from ipixmatch_jax.experiment.validate import check_config

NUMBERS = [f for f in FIELDS.values() if f.kind in (int, float)]
FLOATS = [f for f in NUMBERS if f.kind is float]
RANGES = [f for f in NUMBERS if not f.choices]


def refused(changes, match):
    config = common.base()
    config.data.name = "shapes"
    with pytest.raises(ValueError, match=match) as error:
        check_config(files.change_fields(config, changes))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("field", FLOATS, ids=lambda f: f.path)
@pytest.mark.parametrize("value", [float("inf"), -float("inf"), float("nan")])
def test_no_number_is_infinite_or_nan(field, value):
    words = "too large|too small|not a number"
    refused({field.path: value}, rf"config\.{field.path}=.* is ({words})")


@pytest.mark.parametrize("field", RANGES, ids=lambda f: f.path)
def test_every_number_has_both_ends(field):
    below, above = field.kind(field.least - 1), field.kind(field.most * 2 + 1)
    refused({field.path: below}, rf"config\.{field.path}=.* is too small")
    refused({field.path: above}, rf"config\.{field.path}=.* is too large")
    field.check_value(field.default)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("train.steps", 2**31),
        ("seed", -1),
        ("inter_pixel.stride", 10**30),
        ("train.learning_rate", float("inf")),
        ("loss.ohem_threshold", float("nan")),
        ("inter_pixel.temperature", 0.0),
    ],
)
def test_what_gave_tracebacks_or_zero_losses_is_refused(field, value):
    refused({field: value}, rf"config\.{field}=")


def test_a_number_without_a_range_cannot_be_added():
    with pytest.raises(TypeError, match="needs choices, or least and most"):
        Field("train.new", 1, "A new number.")


def test_a_choice_names_the_nearest():
    refused({"method": "fixmacht"}, r"one of supervised.*Did you mean fixmatch")


def test_base_has_the_table_and_is_locked():
    config = common.base()
    assert files.flatten(config) == {p: f.default for p, f in FIELDS.items()}
    with pytest.raises(AttributeError, match="steps"):
        config.train.step = 3
    with pytest.raises(TypeError):
        config.train.steps = "many"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("train.step", "Did you mean config.train.steps"),
        ("trian.steps", "Did you mean config.train.steps"),
        ("train", "is a section; name one of its fields: train.steps"),
        ("nothing_near_it", "There is no field config.nothing_near_it. `ipix"),
    ],
)
def test_a_wrong_name_gets_the_nearest(path, words):
    with pytest.raises(ValueError, match=words):
        find_field(path)


HEAD = """from ipixmatch_jax.configs import common
def get_config(arg=""):
    c = common.base()
    {}
    return c
"""
OWN = """from ml_collections import ConfigDict
def get_config():
    return ConfigDict({})
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD.format("c.train.step = 300"), "line 4 .*config.train.steps"),
        (HEAD.format("c.trian.steps = 3"), "line 4 .*no field trian.*train"),
        (HEAD.format("c['train']['step'] = 3"), "line 4 .*config.train.steps"),
        (HEAD.format("c.update({'seeed': 1})"), "line 4 .*config.seed"),
        (
            HEAD.format("c.train.steps = 'a'"),
            "config.train.steps takes a whole",
        ),
        (HEAD.format("c.seed = 1e30"), "config.seed takes a whole number"),
        (
            HEAD.format("c.train.steps = True"),
            "steps=True is of the wrong type",
        ),
        (OWN.format("{'train': {'step': 3}}"), "Did you mean config.train.ste"),
        (OWN.format("{'seed': 'a'}"), "config.seed takes a whole number"),
        (OWN.format("{'seed': 1}"), "lacks the field config.method"),
        ("def get_config(arg):\n  return 3", "does not take no argument"),
        ("def get_config():\n  return 3", "returns int"),
        ("def get_confi():\n  return 3", "does not define get_config"),
        ("def get_config(:", "line 1: invalid syntax"),
    ],
)
def test_a_mistake_in_a_file_is_one_sentence_that_names_it(
    tmp_path, text, words
):
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(ValueError, match=words) as error:
        files.load_file(str(path))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_an_error_of_the_file_itself_keeps_its_traceback(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def get_config():\n    return ''.nothing")
    with pytest.raises(AttributeError, match="nothing"):
        files.load_file(str(path))


def test_changes_have_the_types_of_their_fields():
    config = files.load_file(
        "shapes.py", {"train.steps": 300, "data.root": "a"}
    )
    assert (config.train.steps, config.data.root) == (300, "a")
    assert config.is_locked
    with pytest.raises(ValueError, match=r"train\.steps takes"):
        files.load_file("shapes.py", {"train.steps": 0.5})
    with pytest.raises(ValueError, match="Did you mean"):
        files.load_file("shapes.py", {"train.stepps": 3})


def read_fields(path):
    """The fields that a module reads from a variable called config."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute):
            words = ast.unparse(node).split(".")
            if words[0] == "config" and ".".join(words[1:]) in FIELDS:
                yield ".".join(words[1:])


def test_what_builds_the_programs_reads_no_field_that_they_do_not_depend_on():
    package = pathlib.Path(files.__file__).parents[1]
    rooms = ("training/setup.py", "experiment/network.py")
    read = {f for room in rooms for f in read_fields(package / room)}
    read |= set(read_fields(package / "experiment/evaluator.py"))
    assert {"data.apply_views", "evaluate.mode"} <= read
    assert [f for f in read if not FIELDS[f].compiled] == []


def test_the_key_of_programs_leaves_out_what_they_do_not_depend_on():
    config = shapes.get_config()
    data = open_data(config)

    def key(**changes):
        changes = {k.replace("__", "."): v for k, v in changes.items()}
        return program_key(
            resolve_config(files.change_fields(config, changes), data)
        )

    assert key(seed=3, data__num_workers=2, train__log_every=7) == key()
    assert key(train__steps=7) != key()
    assert key(inter_pixel__stride=2) != key()
    without = key(inter_pixel__weight=0.0)
    assert key(inter_pixel__weight=0.0, inter_pixel__stride=2) == without


def test_the_recipes_of_a_checkout_are_imported_from_the_package(
    tmp_path, monkeypatch
):
    path = tmp_path / "mine.py"
    path.write_text("from configs import common\n")
    monkeypatch.setitem(sys.modules, "configs", None)
    with pytest.raises(ValueError, match="write `from ipixmatch_jax"):
        files.load_file(str(path))
