import pytest

from ipixmatch_jax.utils.registry import Registry


@pytest.fixture
def colours():
    return Registry("colour", {"red": 1, "green": 2})


def test_built_in_members_come_first_and_belong_to_no_other_module(colours):
    assert list(colours) == ["red", "green"]
    assert colours["green"] == 2
    assert colours.module("red") is None


def test_a_new_member_belongs_to_the_module_that_registers_it(colours):
    colours.register("blue", 3)
    assert colours["blue"] == 3
    assert colours.module("blue") == __name__
    colours.register("blue", 4)  # the same module may be imported again
    assert colours["blue"] == 4


def test_a_name_that_is_taken_is_refused(colours):
    with pytest.raises(ValueError, match=r"has one of that name: choose"):
        colours.register("red", 5)
    assert colours["red"] == 1


def test_an_unknown_name_lists_the_known_ones(colours):
    with pytest.raises(ValueError, match=r"no colour 'gren'.*red, green.*Did"):
        colours["gren"]
    with pytest.raises(ValueError, match="no colour 'violet'"):
        colours.module("violet")
    assert "violet" not in colours
    assert colours.get("violet") is None
