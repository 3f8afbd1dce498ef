"""Steps agree on every mesh; what the devices exchange."""

import collections
import math
from typing import NamedTuple

import jax
import numpy as np
import pytest

from benchmarks.collectives import collectives
from ipixmatch_jax.configs import shapes
from ipixmatch_jax.data import pipeline
from ipixmatch_jax.distributed import mesh
from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.methods.registry import METHODS
from tests.tiny_run import build

pytestmark = pytest.mark.slow

# The batch of 8 gives one image to each of 8 devices, and two to each of 4.
MESHES = [(8, 1), (2, 4), (1, 4)]
STEPS = 6


class Ran(NamedTuple):
    """A run of six steps.

    Attributes:
      start: the state before, NumPy.
      end: the state after, on the devices.
      metrics: one dictionary per step, NumPy.
      text: text of the compiled step.
    """

    start: object
    end: object
    metrics: list
    text: str


def configured(data, fsdp):
    """The demo's IPixMatch recipe, with the term from the first step on."""
    config = shapes.get_config()
    config.data.crop_size = 33
    config.train.batch_size = 8
    # An untrained teacher is never confident, so every pixel takes part.
    config.pseudo_label.threshold = 0.0
    config.inter_pixel.threshold = 0.0
    config.inter_pixel.warmup_steps = 0
    # Another order of summation moves about one ReLU per step from 0 to 1e-7
    # and so adds a gradient of 1 % to the layers below. With a rate of 1e-3
    # this changes a loss by 1e-4 in six steps, with this rate by 3e-6.
    config.train.learning_rate = 3e-5
    config.mesh.data = data
    config.mesh.fsdp = fsdp
    return config


def run(data, fsdp, batches, start=None):
    built = build(configured(data, fsdp))
    if start is None:
        start = jax.device_get(built.init(0))
    state = jax.tree.map(
        lambda x, like: jax.device_put(x, like.sharding), start, built.like
    )
    put = [mesh.put_batch(batch, built.mesh) for batch in batches]
    compiled = built.train_step.lower(state, put[0]).compile()
    metrics = []
    for batch in put:
        state, measured = compiled(state, batch)
        metrics.append(jax.device_get(measured))
    return Ran(start, state, metrics, compiled.as_text())


@pytest.fixture(scope="module")
def batches():
    config = configured(1, 1)
    data = open_data(config)
    stream = pipeline.train_batches(
        data.labelled,
        data.unlabelled,
        batch_size=config.train.batch_size,
        crop_size=config.data.crop_size,
        seed=config.seed,
        recipe=METHODS[config.method].views,
    )
    drawn = [stream[step] for step in range(STEPS)]
    return [{k: v for k, v in b.items() if k != "bad"} for b in drawn]


@pytest.fixture(scope="module")
def one(batches):
    """The run on one device."""
    return run(1, 1, batches)


@pytest.fixture(scope="module", params=MESHES, ids=lambda m: f"{m[0]}x{m[1]}")
def many(request, batches, one):
    """(data, fsdp) and the run on such a mesh."""
    return request.param, run(*request.param, batches, one.start)


def leaves(tree):
    return jax.tree.leaves(jax.device_get(tree))


def test_six_steps_agree_with_one_device(one, many):
    _, ran = many
    for measured, expected in zip(ran.metrics, one.metrics, strict=True):
        for name in ("loss", "loss_x", "loss_u", "loss_ip"):
            assert expected[name] > 0
            np.testing.assert_allclose(
                measured[name], expected[name], rtol=1e-5
            )
    # Statistics of the images of a single device would differ far more.
    for kind, apart in (("params", 1e-5), ("batch_stats", 1e-4)):
        for tree in ("student", "teacher"):
            for a, b in zip(
                leaves(getattr(ran.end, tree)[kind]),
                leaves(getattr(one.end, tree)[kind]),
                strict=True,
            ):
                np.testing.assert_allclose(a, b, rtol=apart, atol=apart)


def test_the_gradients_agree_with_one_device(one, many):
    # With so low a rate a wrong gradient hardly changes the parameters.
    _, ran = many
    apart, norm = 0.0, 0.0
    for a, b in zip(
        leaves(ran.end.opt_state), leaves(one.end.opt_state), strict=True
    ):
        apart += np.sum(np.square(np.float64(a) - b))
        norm += np.sum(np.square(np.float64(b)))
    assert norm > 0
    assert apart < 0.03**2 * norm


def test_no_part_of_the_state_is_copied_first(one):
    # The copy of an array that is updated in place would last the whole step.
    for tree in ("student__params", "teacher__params", "opt_state"):
        assert f"%state_{tree}" in one.text
        assert f" copy(%state_{tree}" not in one.text


def test_the_state_stays_sharded_by_the_rule(many):
    (_, fsdp), ran = many
    for tree in (
        ran.end.student["params"],
        ran.end.teacher["params"],
        ran.end.opt_state,
    ):
        leaves = jax.tree.leaves(tree)
        held = sum(x.addressable_shards[0].data.size for x in leaves)
        total = sum(x.size for x in leaves)
        # Only batch norms and small kernels are not sharded; they are small.
        assert total / fsdp <= held < total / fsdp + 0.07 * total


def gradients(params):
    """Number of elements of each kernel's gradient on this crop.

    The features before the ASPP are 3x3 there, so its dilated kernels read only
    their centre tap and are multiplied as matrices.
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        if leaf.ndim > 1:
            dilated = any(f"aspp_{i}/" in name for i in (2, 3, 4))
            yield leaf.size // 9 if dilated else leaf.size


def is_kernel(collective):
    return sum(size > 1 for size in collective.shape) > 1


def test_only_gradients_statistics_and_scalars_are_reduced(many):
    _, ran = many
    reduced = [c for c in collectives(ran.text) if c.kind == "all-reduce"]
    params, stats = (
        ran.start.student[kind] for kind in ("params", "batch_stats")
    )
    # Each kernel's gradient is reduced once, activations and logits never.
    sizes = [math.prod(c.shape) for c in reduced if is_kernel(c)]
    assert sorted(sizes) == sorted(gradients(params))
    # A batch norm sums up a mean, a variance, and for the gradient two more;
    # scale, bias and what is counted for the metrics come on top.
    others = sum(c.bytes for c in reduced if not is_kernel(c))
    assert others < 4 * sum(x.nbytes for x in jax.tree.leaves(stats))


def test_only_the_partners_of_cutmix_cross_between_devices(many):
    """FixMatch: the strong view, the labelling logits, the valid pixels."""
    (data, fsdp), ran = many
    sent = collections.Counter(
        (c.dtype, c.shape)
        for c in collectives(ran.text)
        if c.kind == "collective-permute"
    )
    if data * fsdp < 8:
        assert not sent
    else:
        assert sent == {
            ("f32", (1, 33, 33, 3)): 1,
            ("f32", (1, 33, 33, 6)): 1,
            ("pred", (1, 33, 33)): 1,
        }


def test_student_and_teacher_share_the_only_gathers(many):
    (_, fsdp), ran = many
    moved = ("all-reduce", "collective-permute")
    found = [c for c in collectives(ran.text) if c.kind not in moved]
    gathered = collections.Counter((c.kind, c.dtype, c.shape) for c in found)
    expected = collections.Counter(
        ("all-gather", "f32", (2, *leaf.shape))
        for leaf in jax.tree.leaves(ran.end.student["params"])
        if not leaf.sharding.is_fully_replicated
    )
    assert gathered == expected
    assert bool(expected) == (fsdp > 1)
