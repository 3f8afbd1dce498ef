"""One policy for names that are not UTF-8."""

import os

import pytest

from ipixmatch_jax.utils.file_names import name_bytes, printable


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"Stra\xdfe.jpg", "Stra\\xdfe.jpg"),
        ("Straße.jpg".encode(), "Straße.jpg"),
        (b"a\\xdf.jpg", "a\\xdf.jpg"),
        (b"\xff\xfe", "\\xff\\xfe"),
    ],
)
def test_bytes_are_escaped_and_other_text_stays(name, text):
    held = os.fsdecode(name)
    assert name_bytes(held) == name
    assert printable(held) == text
    assert printable(printable(held)) == text


def test_a_surrogate_that_stands_for_no_byte_is_escaped_too():
    assert printable("a\ud800é") == "a\\ud800é"
