"""Builds the functions of a run from its resolved config."""

import functools
import logging
import os
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from ml_collections import FrozenConfigDict

from ipixmatch_jax.checkpoints.manager import abstract
from ipixmatch_jax.data import normalisation, registry
from ipixmatch_jax.data.augment import view_recipes, weak_strong
from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.experiment.evaluator import build_evaluator
from ipixmatch_jax.experiment.network import (
    build_network,
    find_weights_loader,
    frozen_patterns,
    network_names,
)
from ipixmatch_jax.experiment.resolve import (
    change_fields,
    parse_class_weights,
)
from ipixmatch_jax.losses.labelled import LABELLED_LOSSES, Loss, LossSettings
from ipixmatch_jax.methods.base import NetworkOutput, Variables, Views
from ipixmatch_jax.methods.networks import join_networks
from ipixmatch_jax.methods.registry import METHODS
from ipixmatch_jax.models import freezing
from ipixmatch_jax.models.registry import BACKBONES
from ipixmatch_jax.models.segmenter import (
    Segmenter,
    draw_variables,
    variable_shapes,
)
from ipixmatch_jax.models.weights import load
from ipixmatch_jax.optimisers.param_groups import (
    Group,
    faster_head,
    frozen_groups,
)
from ipixmatch_jax.optimisers.registry import OPTIMISERS, SCHEDULES
from ipixmatch_jax.training import step
from ipixmatch_jax.training.attention import choose_attention
from ipixmatch_jax.utils.by_platform import trace_for

_LOGGER = logging.getLogger(__name__)


class Parts(NamedTuple):
    """What a run is made of, apart from its state."""

    data: registry.DataSet
    mesh: Mesh
    network: Segmenter
    like: step.TrainState  # shapes and shardings
    init: Callable[[int], step.TrainState]  # from a seed
    begin: Callable[[Variables], step.TrainState]  # from joined weights
    train_step: jax.stages.Wrapped  # (state, batch) -> (state, metrics)
    evaluate: Callable  # see evaluate.make_evaluator


def labelled_loss(config: FrozenConfigDict) -> Loss:
    """Builds the loss of labelled images that a config names."""
    settings = LossSettings(
        parse_class_weights(config),
        config.loss.ohem_threshold,
        config.loss.ohem_min_kept,
    )
    return LABELLED_LOSSES[config.loss.labelled].build(settings)


def make_views(
    batch: dict,
    *,
    recipe: view_recipes.Recipe | None,
    on_device: bool,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    mesh: Mesh | None = None,
) -> Views:
    """Turns a batch of data/pipeline.py into normalised views.

    Args:
      batch: arrays as the pipeline yields them.
      recipe: the method's views; None if it uses the labelled images alone.
      on_device: the views are still to be applied, see data.apply_views.
      mean: one number per channel; None: ImageNet's.
      std: as mean.
      mesh: of the devices that hold the batch; None: one device.
    """
    normalise = functools.partial(
        normalisation.normalise, xp=jnp, mean=mean, std=std
    )
    labelled = batch["labelled"]
    images = normalise(weak_strong.to_unit_range(labelled["image"], jnp))
    if "unlabelled" not in batch:
        return Views(images, labelled["mask"])
    finished = dict(batch["unlabelled"])
    if on_device and recipe is not None:
        finished = recipe.apply(finished, jnp)
    numbers = [k for k in (1, 2) if f"strong_{k}" in finished]
    strong = [finished.pop(f"strong_{k}") for k in numbers]
    return Views(
        images,
        labelled["mask"],
        weak=normalise(finished.pop("weak")),
        strong=tuple(map(normalise, strong)),
        box=tuple(finished.pop(f"box_{k}") for k in numbers),
        valid=finished.pop("valid"),
        drawn=finished,
        mesh=mesh,
    )


@functools.lru_cache(maxsize=8)
def _compile_draw(network: Segmenter, side: int, wanted: tuple[bool, ...]):
    """A compiled function: key -> the wanted leaves of random variables.

    Each leaf has a key of its own, so its values do not depend on which others
    are wanted, and these alone are compiled.
    """

    def draw(key):
        leaves = jax.tree.leaves(draw_variables(network, side, key))
        pairs = zip(leaves, wanted, strict=True)
        return [leaf for leaf, want in pairs if want]

    # XLA:CPU then compiles in two thirds of the time, to the same bits.
    on_cpu = jax.default_backend() == "cpu"
    options = {"xla_backend_optimization_level": "1"} if on_cpu else None
    return jax.jit(draw, compiler_options=options)


def _draw_unloaded(network: Segmenter, side: int, key, loaded: Mapping) -> dict:
    """`loaded`, with random leaves where nothing was read."""
    draw = _compile_draw(network, side, load.list_unloaded(loaded))
    return load.fill_unloaded(loaded, draw(key))


def _initial_variables(config: FrozenConfigDict, network: Segmenter, seed: int):
    names = METHODS[config.method].networks
    loaded = variable_shapes(network)
    if config.model.pretrained:  # may be refused: before the compilation
        prefixes = tuple(filter(None, config.model.allow_missing.split(",")))
        load_weights = find_weights_loader(config)
        loaded = load_weights(config.model.pretrained, loaded, prefixes)
        if len(names) > 1 and load.has_head(loaded):
            raise ValueError(
                f"model.pretrained={config.model.pretrained} holds a head "
                f"too, and the {len(names)} students of {config.method} would "
                "start equal and stay so: give a file of a backbone alone."
            )
    key = jax.random.key(seed)
    started = {}
    for number, name in enumerate(names):
        # Students share at most a file of a backbone; their heads differ.
        own = jax.random.fold_in(key, number) if number else key
        side = config.data.crop_size
        started[name] = _draw_unloaded(network, side, own, loaded)
    if (
        not config.model.pretrained
        and not BACKBONES[config.model.backbone].for_cpus
    ):
        _LOGGER.warning(
            "RANDOM WEIGHTS: model.pretrained is empty, and the learning "
            "rates of this recipe assume pretrained weights. Expect far "
            "lower scores than any published table; give a file with "
            "--config.model.pretrained=FILE.safetensors."
        )
    if not config.model.pretrained and config.model.freeze:
        _LOGGER.warning(
            "FROZEN RANDOM WEIGHTS: model.freeze=%s keeps these stages as they "
            "are, and model.pretrained is empty.",
            config.model.freeze,
        )
    return join_networks(started)


def forward(
    network,
    variables,
    images,
    train: bool,
    perturb=None,
    keep_clean=True,
    *,
    frozen=(),
    keep_head=False,
    keep_features=False,
):
    """Runs the network as methods call it; see methods/base.py.

    `frozen` are regular expressions for the paths of parameters that get no
    gradient, and of batch norms that stay in eval mode; see
    models/freezing.py. `keep_head` keeps the head's own map in the outputs,
    `keep_features` the head's features.
    """
    if train:
        params = freezing.stop_gradients(variables["params"], frozen)
        variables = {**variables, "params": params}
    apply = functools.partial(network.apply, variables, images, train)
    both = perturb is not None and keep_clean
    if perturb is None:
        apply = functools.partial(apply, method="with_head")
    else:
        method = "clean_and_perturbed" if keep_clean else "perturbed"
        apply = functools.partial(apply, perturb, method=method)

    def output(maps):
        return NetworkOutput(
            maps.logits,
            maps.own if keep_head else None,
            maps.features if keep_features else None,
        )

    if not train:
        maps, batch_stats = apply(), None
    else:
        with freezing.keep_statistics(frozen):
            maps, updated = apply(mutable=["batch_stats"])
        # Flax leaves the collection out where no layer is a batch norm.
        batch_stats = updated.get("batch_stats", {})
    return tuple(map(output, maps)) if both else output(maps), batch_stats


def _build_optimiser(config: FrozenConfigDict, network: Segmenter):
    """The transformation of gradients and the learning rate of a config."""
    t = config.train
    schedule = SCHEDULES[t.schedule](t.learning_rate, t.steps)
    groups = (
        *(Group(pattern, None) for pattern in frozen_patterns(config)),
        *frozen_groups(network.untrained),
        *faster_head(t.head_multiplier),
    )
    tx = OPTIMISERS[t.optimiser].build(
        schedule,
        groups=groups,
        weight_decay=t.weight_decay,
    )
    return tx, schedule


def _bind_train_step(config: FrozenConfigDict, network, mesh: Mesh):
    """The pure step with everything but state and batch bound, and its tx."""
    tx, schedule = _build_optimiser(config, network)
    on_device = config.data.apply_views == "device"
    term = step.InterPixel(
        **config.inter_pixel.to_dict(), encoder_stride=network.strides[-1]
    )
    run_step = functools.partial(
        step.train_step,
        forward=functools.partial(
            forward,
            network,
            frozen=frozen_patterns(config),
            keep_head=term.needs_head,
            keep_features=term.needs_features,
        ),
        make_views=functools.partial(
            make_views,
            recipe=METHODS[config.method].views,
            on_device=on_device,
            mean=network.mean,
            std=network.std,
            mesh=mesh,
        ),
        method=functools.partial(
            METHODS[config.method].loss,
            labelled_loss=labelled_loss(config),
            threshold=config.pseudo_label.threshold,
            unlabelled_weight=config.loss.unlabelled_weight,
        ),
        tx=tx,
        schedule=schedule,
        inter_pixel=term,
        ema_decay=config.ema.decay,
        ema_rampup=config.ema.rampup,
        ema_copy_steps=config.ema.copy_steps,
        accumulate=config.train.accumulate,
        mesh=mesh,
    )
    return run_step, tx


def compiler_options(platform: str) -> dict[str, str] | None:
    """Options with which jax compiles a train step for a platform.

    XLA:CPU drops barriers early. What they keep apart, such as a value and its
    recomputation, would then be computed once and kept in memory.
    """
    if platform != "cpu":
        return None
    option = "xla_disable_hlo_passes"
    # jax's option replaces the one of XLA_FLAGS.
    given = re.findall(rf"--{option}=(\S+)", os.environ.get("XLA_FLAGS", ""))
    return {option: ",".join([*given, "cse_barrier_expander"])}


def build(
    config: FrozenConfigDict,
    data: registry.DataSet,
    mesh: Mesh,
    platform: str | None = None,
) -> Parts:
    """Builds the functions of a run.

    What they compile depends on neither the seed nor the data set, so runs
    that differ in nothing else can share them.

    Args:
      config: resolved, see experiment/resolve.py.
      data: the run's data set.
      mesh: the run's devices.
      platform: for which the step is traced; None: that of the devices.

    Raises:
      ValueError, FileNotFoundError: one sentence on what does not fit.
    """
    sharding.check_batch(config.train.batch_size, mesh, config.train.accumulate)
    platform = platform or mesh.devices.flat[0].platform
    attention = choose_attention(config, mesh)
    network = build_network(
        change_fields(config, {"model.attention": attention})
    )
    run_step, tx = _bind_train_step(config, network, mesh)
    create = functools.partial(
        step.create_state,
        tx=tx,
        with_teacher="teacher" in network_names(config),
    )
    names = METHODS[config.method].networks
    shapes = join_networks(dict.fromkeys(names, variable_shapes(network)))
    shapes = jax.eval_shape(create, shapes)
    state_sharding = sharding.state_sharding(shapes, mesh)
    replicated = sharding.replicated(mesh)
    place = jax.jit(create, out_shardings=state_sharding)
    return Parts(
        data=data,
        mesh=mesh,
        network=network,
        like=abstract(shapes, state_sharding),
        init=lambda seed: place(_initial_variables(config, network, seed)),
        begin=place,
        train_step=jax.jit(
            trace_for(platform, run_step),
            in_shardings=(state_sharding, sharding.batch_sharding(mesh)),
            out_shardings=(state_sharding, replicated),
            donate_argnums=0,
            compiler_options=compiler_options(platform),
        ),
        evaluate=build_evaluator(config, network, mesh),
    )
