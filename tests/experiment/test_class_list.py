"""A run keeps the class list that it was trained with."""

import json

import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.configs import folder
from ipixmatch_jax.configuration.saved import save_config
from ipixmatch_jax.experiment import class_list
from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.experiment.resolve import resolve_config
from ipixmatch_jax.experiment.restore import open_run_data
from ipixmatch_jax.predict.classes import find_classes
from ipixmatch_jax.training import prepare

LIST = {"void": [9, 9, 9], "sky": [0, 0, 255], "tree": [0, 99, 0]}


def write_list(root, names, **colours):
    (root / "classes.json").write_text(
        json.dumps({name: colours.get(name, LIST.get(name)) for name in names})
    )


@pytest.fixture
def config(tmp_path):
    """Of a folder with masks of ids, of which the first is left out."""
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    ids = np.arange(1920, dtype=np.uint8).reshape(40, 48) % 3
    for i in range(3):
        Image.fromarray(np.stack([ids] * 3, -1)).save(
            tmp_path / f"images/{i}.png"
        )
        Image.fromarray(ids).save(tmp_path / f"masks/{i}.png")
    write_list(tmp_path, LIST)
    c = folder.get_config("tiny,method=supervised")
    c.data.root = str(tmp_path)
    c.mesh.data = 1
    return c


@pytest.fixture
def workdir(config, tmp_path):
    """What a run leaves there when it begins."""
    data = open_data(config)
    workdir = tmp_path / "run"
    workdir.mkdir()
    save_config(resolve_config(config, data), workdir)
    class_list.write_classes(class_list.classes_of(data), workdir)
    return workdir


def test_the_list_holds_names_colours_ids_and_what_is_left_out(workdir):
    classes = class_list.read_classes(workdir)
    assert classes.classes == (
        ("sky", (0, 0, 255), 1),
        ("tree", (0, 99, 0), 2),
    )
    assert classes.void == (("void", (9, 9, 9), 0),)
    assert classes.names == ("sky", "tree")
    assert classes.palette == ((0, 0, 255), (0, 99, 0))


CHANGES = {
    "swapped": (["void", "tree", "sky"], {}, "class 0 is 'sky' .*and 'tree' "),
    "another name": (["void", "sky", "bush"], {"bush": [0, 99, 0]}, "'bush'"),
    "another colour": (list(LIST), {"sky": [1, 1, 1]}, r"'sky' \(1 1 1, id 1"),
    "one more": ([*LIST, "sea"], {"sea": [7, 7, 7]}, "class 2 is missing in"),
    "void moved": (
        ["sky", "tree", "void"],
        {},
        "class 0 is 'sky' .*id 1.*id 0",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_list_is_refused_and_the_difference_is_named(
    config, workdir, tmp_path, change
):
    names, colours, words = CHANGES[change]
    write_list(tmp_path, names, **colours)
    for use in (
        lambda: open_run_data(workdir, config),
        lambda: find_classes(config, workdir),
        lambda: prepare.prepare_run(
            config, workdir, open_data=open_data, build=None
        ),
    ):
        with pytest.raises(ValueError, match=words) as error:
            use()
        assert str(workdir) in str(error.value)
        assert "Put the old list back" in str(error.value)


def test_without_its_data_a_run_has_its_own_list(config, workdir, tmp_path):
    config.data.root = str(tmp_path / "gone")
    known = find_classes(config, workdir)
    assert known == (("sky", "tree"), ((0, 0, 255), (0, 99, 0)), "")


def test_an_older_run_takes_the_datas_and_says_so(config, workdir, caplog):
    (workdir / class_list.FILE).unlink()
    _, classes = open_run_data(workdir, config)
    assert classes.names == ("sky", "tree")
    assert f"wrote {workdir} without a class list" in caplog.text


def one_class(colour="[1, 2, 3]", id="0"):
    one = f'{{"name": "a", "colour": {colour}, "id": {id}}}'
    return f'{{"classes": [{one}], "void": []}}'


@pytest.mark.parametrize(
    "text",
    [
        *["", "[]", "{}", '{"classes": [{"name": "a"}], "void": []}'],
        one_class(colour="[1, 2]"),
        one_class(colour="[1, 2, 999]"),
        one_class(id="1e999"),
        '{"classes": ["a"], "void": []}',
    ],
)
def test_a_damaged_list_is_named(workdir, text):
    (workdir / class_list.FILE).write_text(text)
    with pytest.raises(ValueError, match="or remove it, and") as error:
        class_list.read_classes(workdir)
    assert str(workdir / class_list.FILE) in str(error.value)
