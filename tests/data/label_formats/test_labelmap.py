"""CVAT's labelmap.txt against what datumaro wrote, and reads."""

import pytest

from ipixmatch_jax.data.label_formats.labelmap import (
    read_labelmap,
    write_labelmap,
)

CLASSES = [
    ("background", (0, 0, 0)),
    ("crack, deep", (250, 50, 83)),
    ("leaf", (51, 221, 255)),
]
# Written by datumaro 1.13.12, plugins.data_formats.voc.format.write_label_map.
WRITTEN = (
    "# label:color_rgb:parts:actions\n"
    "background:0,0,0::\n"
    "crack, deep:250,50,83::\n"
    "leaf:51,221,255::\n"
)


def test_reads_what_datumaro_wrote(tmp_path):
    path = tmp_path / "labelmap.txt"
    path.write_text(WRITTEN)
    assert read_labelmap(path) == CLASSES
    # With the parts and actions of VOC, and as Windows saves text.
    path.write_bytes(
        b"\xef\xbb\xbf# x\r\n\r\nperson:192,128,128:hand,foot:walking\r\n"
    )
    assert read_labelmap(path) == [("person", (192, 128, 128))]


def test_writes_what_datumaro_writes():
    assert write_labelmap(CLASSES) == WRITTEN


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a:1,2\n", "Line 1 of .* is 'a:1,2'"),
        ("# x\na:1,2,256::\n", "Line 2"),
        ("a\n", "name:red,green,blue"),
        (":1,2,3::\n", "Line 1"),
        ("# label:color_rgb:parts:actions\n", "no classes"),
    ],
)
def test_other_files_are_refused(text, words, tmp_path):
    path = tmp_path / "labelmap.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=words):
        read_labelmap(path)


@pytest.mark.parametrize("name", ["a:b", "#a", " "])
def test_names_that_cannot_stand_in_the_file_are_refused(name):
    with pytest.raises(ValueError, match="another name"):
        write_labelmap([(name, (0, 0, 0))])
