"""Collectives of programs so small that they are known by hand."""

import jax
import jax.numpy as jnp
import pytest

from benchmarks.collectives import Collective, collectives, operations

# Asynchronous, combined and tuple-valued operations as XLA writes them for
# accelerators. A loop's body is a computation of its own in the text.
ACCELERATOR = """
%body (p: (f32[8,4], bf16[2,3])) -> f32[8,4] {
  %p.1 = f32[8,4]{1,0:T(8,128)} parameter(0)
  %small = bf16[2,3]{1,0} parameter(1)
  %bits = pred[7]{0} constant({...})
  %ar = (f32[8,4]{1,0:T(8,128)}, bf16[2,3]{1,0}) all-reduce-start(%p.1, \
/*index=1*/%small), channel_id=1, replica_groups={{0,1}}, to_apply=%add
  %done = (f32[8,4]{1,0}, bf16[2,3]{1,0}) all-reduce-done(%ar)
  %ag = ((f32[8,4]{1,0}, bf16[2,3]{1,0}), (f32[16,4]{1,0}, bf16[4,3]{1,0})) \
all-gather-start(%p.1, %small), dimensions={0}
  %ag.2 = pred[14]{0} all-gather(%bits), dimensions={0}
  %rs = f32[4,4]{1,0} reduce-scatter(%p.1), dimensions={0}, to_apply=%add
  %cp = (f32[8,4]{1,0}, f32[8,4]{1,0}, u32[], u32[]) \
collective-permute-start(%p.1), source_target_pairs={{0,1}}
  %all-gather_fusion = f32[8,4]{1,0} fusion(%ar, %all-gather), \
calls=%all-reduce_fused
  ROOT %a2a = f32[8,4]{1,0} all-to-all(%p.1), dimensions={0}
}
"""


def test_every_form_of_a_collective_on_accelerators_is_found():
    assert collectives(ACCELERATOR) == [
        Collective("all-reduce", "f32", (8, 4), 128),
        Collective("all-reduce", "bf16", (2, 3), 12),
        Collective("all-gather", "f32", (16, 4), 256),
        Collective("all-gather", "bf16", (4, 3), 24),
        Collective("all-gather", "pred", (14,), 14),
        Collective("reduce-scatter", "f32", (8, 4), 128),
        Collective("collective-permute", "f32", (8, 4), 128),
        Collective("all-to-all", "f32", (8, 4), 128),
    ]


def test_a_gather_that_overlaps_with_several_computations_counts_once():
    part = (
        "  %x = f32[4]{{0}} parameter(0)\n"
        "  %ag.{0} = f32[8]{{0}} all-gather(%x), channel_id={1}"
    )
    text = "\n".join(part.format(i, i // 3) for i in range(6))
    assert operations(text) == [[Collective("all-gather", "f32", (8,), 32)]] * 2


def test_a_text_without_the_operands_shape_is_refused():
    with pytest.raises(ValueError, match="%x has no shape"):
        collectives("  %ar = f32[2] all-reduce(%x), to_apply=%add\n")


@pytest.fixture
def mesh():
    return jax.make_mesh(
        (8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,)
    )


def compiled_text(f, mesh, *specs):
    """Text of f compiled for float32 [16, 32] arrays.

    The last spec is the sharding of the result, the others of the arguments.
    """
    *inside, outside = (jax.NamedSharding(mesh, spec) for spec in specs)
    x = jax.ShapeDtypeStruct((16, 32), jnp.float32)
    run = jax.jit(f, in_shardings=tuple(inside), out_shardings=outside)
    return run.lower(*[x] * len(inside)).compile().as_text()


ROWS, COLUMNS, WHOLE = jax.P("data"), jax.P(None, "data"), jax.P()


def test_a_sum_over_devices_is_one_all_reduce(mesh):
    text = compiled_text(lambda x: x.sum(0), mesh, ROWS, WHOLE)
    assert collectives(text) == [Collective("all-reduce", "f32", (32,), 128)]


def test_a_replicated_copy_is_one_all_gather(mesh):
    text = compiled_text(lambda x: x + 1, mesh, ROWS, WHOLE)
    expected = Collective("all-gather", "f32", (16, 32), 16 * 32 * 4)
    assert collectives(text) == [expected]


def test_moving_from_rows_to_columns_is_an_all_to_all(mesh):
    found = collectives(compiled_text(lambda x: x + 1, mesh, ROWS, COLUMNS))
    assert [c.kind for c in found] == ["all-to-all"] * len(found)
    assert sum(c.bytes for c in found) == 2 * 32 * 4  # one device's rows


def test_a_shift_across_devices_is_a_permutation(mesh):
    def shift(x):
        return jnp.roll(x, 2, 0)

    found = collectives(compiled_text(shift, mesh, ROWS, ROWS))
    assert {c.kind for c in found} == {"collective-permute"}


def test_work_within_a_device_has_no_collective(mesh):
    text = compiled_text(jnp.multiply, mesh, ROWS, ROWS, ROWS)
    assert collectives(text) == []
