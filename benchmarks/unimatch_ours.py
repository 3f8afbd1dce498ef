"""UniMatch's training step of this package, for benchmarks/peers.py."""

import functools
from collections.abc import Callable

import jax

from benchmarks import deeplab_ours
from benchmarks.deeplab_ours import count_parameters as count_parameters
from benchmarks.jax_device import peak_device_bytes as peak_device_bytes
from benchmarks.peers import Setting
from benchmarks.unimatch_v2_ours import draw_views
from ipixmatch_jax.losses.cross_entropy import cross_entropy
from ipixmatch_jax.methods.unimatch import unimatch
from ipixmatch_jax.optimisers.param_groups import faster_head
from ipixmatch_jax.optimisers.schedules import poly_schedule
from ipixmatch_jax.optimisers.sgd import sgd
from ipixmatch_jax.training import setup, step


def build_step(setting: Setting) -> Callable[[], float]:
    """One training step on fixed noise, compiled; returns its loss.

    The student labels for itself, as in UniMatch v1; the inter-pixel term is
    left out, and the views are ready.

    Args:
      setting: the threads are the processors that the process may use.

    Raises:
      RuntimeError: jax does not see the device.
    """
    network = deeplab_ours.build_network(setting)
    schedule = poly_schedule(1e-3, 10_000)
    tx = sgd(schedule, groups=faster_head(10.0), weight_decay=1e-4)
    run = functools.partial(
        step.train_step,
        forward=functools.partial(setup.forward, network),
        make_views=lambda views: views,
        method=functools.partial(
            unimatch,
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
    # Jitted, each array of the state has a buffer of its own to give away.
    start = functools.partial(step.create_state, tx=tx, with_teacher=False)
    state = jax.jit(start)(deeplab_ours.draw_variables(network))
    views = draw_views(setting.side, setting.batch)

    def once():
        nonlocal state
        state, metrics = compiled(state, views)
        return float(metrics["loss"])

    return once
