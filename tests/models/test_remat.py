"""Rematerialisation: the same step and checkpoint with less memory."""

import functools

import jax
import numpy as np
import pytest

from ipixmatch_jax.configs import shapes
from ipixmatch_jax.data import pipeline
from ipixmatch_jax.distributed import mesh
from ipixmatch_jax.experiment import validate
from tests.tiny_run import build

pytestmark = pytest.mark.slow


@functools.cache
def stepped(remat):
    """(state before, state after, metrics, temporary bytes) of one step."""
    config = shapes.get_config("tiny_1_16,method=supervised")
    config.data.crop_size = 129
    config.train.batch_size = 4
    config.mesh.data = 1
    config.model.remat = remat
    built = build(config)
    batch = pipeline.train_batches(
        built.data.labelled, None, batch_size=4, crop_size=129, seed=0
    )[0]
    del batch["bad"]
    batch = mesh.put_batch(batch, built.mesh)
    state = built.init(0)
    before = jax.device_get(state)
    compiled = built.train_step.lower(state, batch).compile()
    after, metrics = jax.device_get(compiled(state, batch))
    memory = compiled.memory_analysis().temp_size_in_bytes
    return before, after, metrics, memory


def test_variables_have_the_same_names_and_values_at_the_start():
    plain, remat = stepped(False)[0], stepped(True)[0]
    jax.tree.map(np.testing.assert_array_equal, remat, plain)


def test_loss_gradient_and_statistics_are_the_same():
    (_, plain, expected, _), (_, after, metrics, _) = map(
        stepped, (False, True)
    )
    for name in ("loss", "grad_norm"):
        np.testing.assert_allclose(metrics[name], expected[name], rtol=1e-6)
    # After one step from zero the momentum is the gradient plus the decay.
    for kind in ("opt_state", "student"):
        pairs = zip(
            jax.tree.leaves(getattr(after, kind)),
            jax.tree.leaves(getattr(plain, kind)),
            strict=True,
        )
        apart = np.sqrt(sum(np.sum(np.square(a - b)) for a, b in pairs))
        whole = jax.tree.leaves(getattr(plain, kind))
        norm = np.sqrt(sum(np.sum(np.square(np.float64(a))) for a in whole))
        assert apart < 1e-6 * norm
    # A second update of the statistics would change the first digit.
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-7),
        after.student["batch_stats"],
        plain.student["batch_stats"],
    )


def test_it_takes_less_memory():
    plain, remat = stepped(False)[-1], stepped(True)[-1]
    assert 0 < remat < 0.9 * plain


def test_an_unknown_value_is_refused():
    config = shapes.get_config()
    with config.ignore_type():
        config.model.remat = "yes"
    with pytest.raises(ValueError, match=r"config\.model\.remat=.*wrong type"):
        validate.check_config(config)
