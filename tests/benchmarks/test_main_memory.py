"""Bytes of a TPU's main memory, counted by hand."""

import pytest

from benchmarks.main_memory import main_memory_bytes

# 8 x 128 x 2 = 2,048 bytes of padded bf16[5,100] in tiles of (8,128).
PROGRAM = """HloModule jit_run

%fused (a: f32[8]) -> f32[8] {
  ROOT %inner = f32[1000]{0} add(%a, %a)
}

ENTRY %main (a: f32[8,128], b: bf16[5,100]) -> f32[8,128] {
  %a = f32[8,128]{1,0:T(8,128)} parameter(0)
  %b = bf16[5,100]{1,0:T(8,128)(2,1)} parameter(1)
"""


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # 4,096 read and 4,096 written.
        ("%c = f32[8,128]{1,0:T(8,128)} fusion(%a), kind=kLoop", 8192),
        # Written on the chip: 4,096 and 2,048 read.
        ("%c = f32[8,128]{1,0:T(8,128)S(1)} fusion(%a, %b), kind=kLoop", 6144),
        # The axis that varies fastest comes first: 5 columns become 128.
        ("%c = bf16[5,100]{0,1:T(8,128)(2,1)} copy(%b)", 2048 + 104 * 128 * 2),
        # Without tiles nothing is padded.
        ("%c = u8[5,100]{1,0} custom-call(%b)", 2048 + 500),
        ("%c = (f32[8]{0:T(128)}, pred[]{:T(256)S(1)}) fusion(%a)", 4608),
        # The half that moves onto the chip, once.
        (
            "%c = ((f32[8,128]{1,0:T(8,128)}), f32[4,128]{1,0:T(4,128)S(1)}, "
            "s32[]{:S(2)}) async-start(%a), calls=%half\n"
            "  %d = f32[4,128]{1,0:T(4,128)S(1)} async-done(%c)",
            2048,
        ),
        ("%c = f32[128,8]{0,1:T(8,128)} bitcast(%a)", 0),
    ],
)
def test_an_operation(lines, expected):
    assert main_memory_bytes(f"{PROGRAM}  {lines}\n}}\n") == expected


def test_an_operation_that_reads_what_another_made():
    text = (
        PROGRAM
        + "  %c = f32[8,128]{1,0:T(8,128)} copy(%a)\n"
        + "  ROOT %d.1 = f32[8,128]{1,0:T(8,128)} add(%c, %a), metadata={}\n}"
    )
    assert main_memory_bytes(text) == 5 * 4096


def test_a_text_without_an_entry_is_refused():
    with pytest.raises(ValueError, match="ENTRY"):
        main_memory_bytes("HloModule jit_run")
