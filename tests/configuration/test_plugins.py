"""Modules that add members: imported when named, recorded, never unasked."""

import sys

import pytest

from ipixmatch_jax.configuration.plugins import (
    Member,
    check_plugins,
    load_plugins,
    required_modules,
)
from ipixmatch_jax.utils.registry import Registry


@pytest.fixture
def colours():
    return Registry("colour", {"red": 1})


def test_a_named_module_is_imported_from_the_current_folder(
    tmp_path, monkeypatch
):
    (tmp_path / "one_of_mine.py").write_text("VALUE = 5\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    load_plugins(["one_of_mine"])
    assert sys.modules.pop("one_of_mine").VALUE == 5


def test_an_unknown_module_is_named():
    with pytest.raises(ValueError, match=r"--plugin not_there.*without \.py"):
        load_plugins(["not_there"])
    with pytest.raises(ValueError, match=r"--plugin json\.not_there: there is"):
        load_plugins(["json.not_there"])


def test_what_a_module_lacks_itself_keeps_its_traceback(tmp_path, monkeypatch):
    (tmp_path / "lacks_one.py").write_text("import certainly_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="certainly_not_there"):
        load_plugins(["lacks_one"])


def test_modules_outside_are_recorded_by_field(colours):
    colours.register("blue", 2)
    members = [
        Member("front", "red", colours),
        Member("back", "blue", colours),
        Member("side", "grey", colours),  # refused elsewhere
    ]
    assert required_modules(members) == f"back={__name__}"
    check_plugins(f"back={__name__}", members)


def test_a_member_that_is_not_here_names_its_module(colours):
    with pytest.raises(ValueError, match="add --plugin my_paint") as error:
        check_plugins("back=my_paint", [Member("back", "blue", colours)])
    assert "uses the colour 'blue' of the module my_paint" in str(error.value)


def test_a_member_of_another_module_is_not_taken_for_it(colours):
    colours.register("blue", 2)
    with pytest.raises(ValueError, match=f"but here {__name__} has registered"):
        check_plugins("back=my_paint", [Member("back", "blue", colours)])


def test_a_script_cannot_be_named(colours):
    with pytest.raises(ValueError, match="script or a notebook"):
        check_plugins("back=__main__", [Member("back", "blue", colours)])


def test_several_words_that_name_a_member_have_a_slash():
    shades = Registry("shade", {("red", "dark"): 1})
    with pytest.raises(ValueError, match="uses the shade 'red/light' of"):
        check_plugins("x=mine", [Member("x", ("red", "light"), shades)])
