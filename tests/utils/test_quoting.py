"""Values in messages."""

from ipixmatch_jax.utils.quoting import quote, shorten


def test_long_values_are_cut():
    assert quote("a'b") == '"a\'b"'
    assert quote(10**300) == "1" + "0" * 199 + "..."
    assert shorten(ValueError("no file")) == "no file"
    assert shorten("a" * 200) == "a" * 200
    assert shorten("a" * 201) == "a" * 200 + "..."
