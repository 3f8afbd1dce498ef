"""A run says that it goes on with other flags of XLA."""

import pytest

from ipixmatch_jax.experiment.compiler_flags import (
    FILE,
    list_changed_flags,
    write_flags,
)


def test_other_flags_are_named_and_the_same_are_not(tmp_path):
    assert list_changed_flags(tmp_path, {"XLA_FLAGS": "--a=1"}) == []
    write_flags(tmp_path, {"XLA_FLAGS": " --b=2  --a=1"})
    assert list_changed_flags(tmp_path, {"XLA_FLAGS": "--a=1 --b=2"}) == []
    (words,) = list_changed_flags(tmp_path, {})
    assert words == "XLA_FLAGS is '--a=1 --b=2' there and '' here"


def test_a_torn_record_is_one_sentence(tmp_path):
    (tmp_path / FILE).write_text('{"XLA_')
    with pytest.raises(ValueError, match="remove it"):
        list_changed_flags(tmp_path, {})
