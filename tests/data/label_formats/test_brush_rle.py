"""Label Studio's brush run lengths against its SDK and its editor's encoder."""

import numpy as np
import pytest

from ipixmatch_jax.data.label_formats.brush_rle import (
    decode_brush,
    encode_brush,
)

MASK = np.array(
    [
        [0, 0, 0, 0, 0, 0, 0],
        [0, 0, 1, 1, 0, 0, 0],
        [0, 1, 1, 1, 1, 1, 0],
        [0, 0, 1, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 1],
    ],
    bool,
)
# Written by @thi.ng/rle-pack 3.2.12, with which Label Studio's editor encodes,
# from MASK in the colour 12, 200, 34; the alpha of the outer two pixels of the
# third row is 128 and 1, as at the soft edge of a brush.
OF_EDITOR = bytes.fromhex(
    "0000008c391bfe23001c33208bfc33208bfef802130cc822800cc822ff0cc822ff0cc822"
    "ff0cc82201b6006c33208bfc33208bfc33208bff0f8006199045fe"
)
# Written by label_studio_sdk 2.1.2, converter.brush.mask2rle, from a mask that
# is 255 at these pixels.
OF_SDK = bytes.fromhex("0000008c391bfe23009fff09805bffbe016fff0f8047fe")
SDK_MASK = MASK.copy()
SDK_MASK[2, [1, 5]] = False
# The same of 130x130 pixels of 255, more values than one run can hold.
LARGE = bytes.fromhex("00010810391bffffffffe101ffe0")


def test_what_the_editor_writes_is_read():
    assert (decode_brush(list(OF_EDITOR), 5, 7) == MASK).all()


def test_what_the_sdk_writes_is_read():
    assert (decode_brush(list(OF_SDK), 5, 7) == SDK_MASK).all()
    assert decode_brush(list(LARGE), 130, 130).all()


def test_the_same_bytes_are_written_as_by_the_sdk():
    assert bytes(encode_brush(SDK_MASK)) == OF_SDK
    # The SDK always adds zeros, a whole byte of them where none is needed.
    assert bytes(encode_brush(np.ones((130, 130), bool))) == LARGE.rstrip(b"\0")


@pytest.mark.parametrize(
    ("rle", "words"),
    [
        ([256], "not a list of bytes"),
        (["1"], "not a list of bytes"),
        (None, "not a list of bytes"),
        ([1, 2], "2 bytes"),
        (list(OF_SDK[:-4]), "ends early"),
        (list(OF_SDK[:8]), "ends early"),
    ],
)
def test_what_holds_no_runs_is_refused(rle, words):
    with pytest.raises(ValueError, match=words):
        decode_brush(rle, 5, 7)


def test_another_size_is_refused():
    with pytest.raises(ValueError, match="140 values, and 7x6 pixels"):
        decode_brush(list(OF_SDK), 6, 7)
