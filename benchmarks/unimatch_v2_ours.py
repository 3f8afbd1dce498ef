"""UniMatch V2's training step of this package, for benchmarks/peers.py."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.jax_device import check_device
from benchmarks.jax_device import peak_device_bytes as peak_device_bytes
from benchmarks.peers import Setting
from configs import voc
from ipixmatch_jax.distributed.mesh import make_mesh
from ipixmatch_jax.losses.cross_entropy import cross_entropy
from ipixmatch_jax.methods.base import Views
from ipixmatch_jax.methods.unimatch_v2 import unimatch_v2
from ipixmatch_jax.models import registry
from ipixmatch_jax.models.segmenter import draw_variables, variable_shapes
from ipixmatch_jax.optimisers.adamw import adamw
from ipixmatch_jax.optimisers.param_groups import faster_head, frozen_groups
from ipixmatch_jax.optimisers.schedules import poly_schedule
from ipixmatch_jax.training import setup, step
from ipixmatch_jax.training.attention import choose_attention


def count_parameters() -> int:
    """Parameters of DINOv2-S with its DPT head and 21 classes."""
    params = variable_shapes(registry.build("dinov2s", 21))["params"]
    return sum(x.size for x in jax.tree.leaves(params))


def build_step(setting: Setting) -> Callable[[], float]:
    """One training step on fixed noise, compiled; returns its loss.

    The inter-pixel term is left out, and the views are ready: the peer's data
    loader makes them on the host.

    Args:
      setting: the threads are the processors that the process may use.

    Raises:
      RuntimeError: jax does not see the device.
    """
    check_device(setting)
    side, batch = setting.side, setting.batch
    bf16 = setting.precision == "bf16"
    config = voc.get_config("dinov2s_92")
    config.precision = setting.precision
    network = registry.build(
        "dinov2s",
        21,
        dtype=jnp.bfloat16 if bf16 else jnp.float32,
        attention=choose_attention(config, make_mesh(1, 1)),
    )
    schedule = poly_schedule(5e-6, 10_000)
    groups = (*frozen_groups(network.untrained), *faster_head(40.0))
    tx = adamw(schedule, groups=groups, weight_decay=0.01)
    run = functools.partial(
        step.train_step,
        forward=functools.partial(setup.forward, network),
        make_views=lambda views: views,
        method=functools.partial(
            unimatch_v2,
            labelled_loss=cross_entropy,
            threshold=0.95,
            unlabelled_weight=1.0,
        ),
        tx=tx,
        schedule=schedule,
        inter_pixel=step.InterPixel("channel", "kl", 0.0, 1.0, 0.0, 0),
        ema_decay=0.996,
        ema_rampup=True,
    )
    options = setup.compiler_options(setting.device)
    compiled = jax.jit(run, donate_argnums=0, compiler_options=options)

    @jax.jit
    def start(key):
        variables = draw_variables(network, side, key)
        return step.create_state(variables, tx, with_teacher=True)

    state = start(jax.random.key(0))
    views = draw_views(side, batch)

    def once():
        nonlocal state
        state, metrics = compiled(state, views)
        return float(metrics["loss"])

    return once


def draw_views(side: int, batch: int) -> Views:
    """Views of noise, with one box for each strong view."""
    rng = np.random.default_rng(0)
    shape = (4, batch, side, side, 3)
    labelled, weak, *strong = rng.standard_normal(shape, np.float32)
    corners = side // 4, side // 4, side // 2, 3 * side // 4
    box = np.tile(np.int32(corners), (batch, 1))
    views = Views(
        labelled,
        rng.integers(0, 21, (batch, side, side), np.int32),
        weak,
        tuple(strong),
        (box, box),
        np.ones((batch, side, side), bool),
        {"dropout": rng.integers(0, 2**32, (batch, 2), np.uint32)},
    )
    return jax.tree.map(jax.device_put, views)
