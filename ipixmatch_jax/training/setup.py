"""The parts of a run, built from its config; below here nobody sees one."""

import functools
import logging
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from ipixmatch_jax.checkpoints.manager import abstract
from ipixmatch_jax.data import normalisation, registry
from ipixmatch_jax.data.augment import augseg, view_recipes, weak_strong
from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.experiment.data import class_weights, open_data
from ipixmatch_jax.experiment.evaluator import build_evaluator
from ipixmatch_jax.experiment.network import build_network, network_names
from ipixmatch_jax.losses import labelled as labelled_losses
from ipixmatch_jax.methods import two_students
from ipixmatch_jax.methods.base import Views
from ipixmatch_jax.methods.registry import METHODS
from ipixmatch_jax.models.heads.deeplab import DeepLabV3Plus
from ipixmatch_jax.models.segmenter import variable_shapes
from ipixmatch_jax.models.weights import load
from ipixmatch_jax.training import optimiser, step

_LOGGER = logging.getLogger(__name__)

# The views that methods ask for, where these are not two strong ones.
_RECIPES = {
    "mean_teacher": view_recipes.HALF,
    "unimatch": view_recipes.UNIMATCH,
    "augseg": augseg.RECIPE,
    "cps": view_recipes.THREE_BOXES,
}


class Parts(NamedTuple):
    """What a run is made of; everything that is not state."""

    data: registry.DataSet
    mesh: Mesh
    network: DeepLabV3Plus
    like: step.TrainState  # shapes and shardings
    init: object  # (seed) -> TrainState
    train_step: object  # (state, batch) -> (state, metrics)
    evaluate: object  # see evaluate.make_evaluator


def labelled_loss(config: ConfigDict):
    """(logits, labels) -> scalar, as config.loss says."""
    return labelled_losses.make(
        config.loss.labelled,
        class_weights=class_weights(config),
        ohem_threshold=config.loss.ohem_threshold,
        ohem_min_kept=config.loss.ohem_min_kept,
    )


def view_recipe(config: ConfigDict) -> view_recipes.Recipe:
    """The views that a config's method asks the pipeline for."""
    return _RECIPES.get(config.method, view_recipes.STRONG)


def make_views(
    batch: dict,
    *,
    recipe: view_recipes.Recipe,
    on_device: bool,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
) -> Views:
    """A batch of data/pipeline.py as normalised views; None: ImageNet's."""
    normalise = functools.partial(
        normalisation.normalise, xp=jnp, mean=mean, std=std
    )
    labelled = batch["labelled"]
    images = normalise(weak_strong.weak(labelled["image"], jnp))
    if "unlabelled" not in batch:
        return Views(images, labelled["mask"])
    finished = dict(batch["unlabelled"])
    if on_device:
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
    )


@functools.partial(jax.jit, static_argnums=(0, 1))
def _random_variables(network, size: int, key):
    images = jnp.zeros((1, size, size, network.channels), jnp.float32)
    return network.init(key, images, False)


def _initial_variables(config: ConfigDict, network, seed: int):
    loaded = None
    if config.model.pretrained:  # before the compilation: it may be refused
        prefixes = tuple(filter(None, config.model.allow_missing.split(",")))
        loaded = load.load(
            config.model.pretrained, variable_shapes(network), prefixes
        )
        if config.method == "cps" and load.has_head(loaded):
            raise ValueError(
                f"model.pretrained={config.model.pretrained} holds a head "
                "too, and the two students of cps would start equal and stay "
                "so: give a file of a backbone alone."
            )
    key = jax.random.key(seed)
    # Two students share a file at most; their heads differ from the start.
    keys = [key, jax.random.fold_in(key, 1)][: 1 + (config.method == "cps")]
    started = [
        _random_variables(network, config.data.crop_size, k) for k in keys
    ]
    if loaded is not None:
        started = [load.merge(loaded, one) for one in started]
    elif config.model.backbone != "tiny":
        _LOGGER.warning(
            "RANDOM WEIGHTS: model.pretrained is empty, and the learning "
            "rates of this recipe assume an ImageNet backbone. Expect far "
            "lower scores than any published table; give a file with "
            "--config.model.pretrained=FILE.safetensors."
        )
    return two_students.variables(*started) if len(started) == 2 else started[0]


def forward(network, variables, images, train: bool, perturb=None):
    """The network as methods call it; see methods/base.py."""
    apply = functools.partial(network.apply, variables, images, train)
    if perturb is not None:
        apply = functools.partial(
            apply, perturb, method=DeepLabV3Plus.with_perturbed
        )
    if not train:
        return apply(), None
    logits, updated = apply(mutable=["batch_stats"])
    return logits, updated["batch_stats"]


def _optimiser(config: ConfigDict):
    """(transformation, schedule) as config.train says."""
    t = config.train
    schedule = (
        optimiser.poly_schedule(t.learning_rate, t.steps)
        if t.schedule == "poly"
        else optax.constant_schedule(t.learning_rate)
    )
    make = optimiser.adam if t.optimiser == "adam" else optimiser.sgd
    tx = make(
        schedule,
        head_multiplier=t.head_multiplier,
        weight_decay=t.weight_decay,
    )
    return tx, schedule


def _train_step(config: ConfigDict, network, mesh: Mesh):
    """The pure step with everything bound but state and batch."""
    tx, schedule = _optimiser(config)
    on_device = config.data.apply_views == "device"
    run_step = functools.partial(
        step.train_step,
        forward=functools.partial(forward, network),
        make_views=functools.partial(
            make_views,
            recipe=view_recipe(config),
            on_device=on_device,
            mean=network.mean,
            std=network.std,
        ),
        method=functools.partial(
            METHODS[config.method],
            labelled_loss=labelled_loss(config),
            threshold=config.pseudo_label.threshold,
            unlabelled_weight=config.loss.unlabelled_weight,
        ),
        tx=tx,
        schedule=schedule,
        inter_pixel=step.InterPixel(**config.inter_pixel.to_dict()),
        ema_decay=config.ema.decay,
        ema_rampup=config.ema.rampup,
        ema_copy_steps=config.ema.copy_steps,
        accumulate=config.train.accumulate,
        mesh=mesh,
    )
    return run_step, tx


def _compiler_options(config: ConfigDict, mesh: Mesh) -> dict[str, str] | None:
    # XLA:CPU drops the barriers between a value and the same value computed
    # again, and then computes it once: all would be kept in memory after all.
    if config.model.remat and mesh.devices.flat[0].platform == "cpu":
        return {"xla_disable_hlo_passes": "cse_barrier_expander"}
    return None


def build(
    config: ConfigDict,
    data: registry.DataSet | None = None,
    mesh: Mesh | None = None,
) -> Parts:
    """Opens the data and builds the functions of a run.

    What they compile depends on neither the seed nor the data set, so runs
    that differ in nothing else can share them.

    Args:
      config: see configs/common.py.
      data: an open data set, instead of the one that the config names.
      mesh: instead of the one that the config asks for.

    Raises:
      ValueError, FileNotFoundError: one sentence on what does not fit.
    """
    if mesh is None:
        mesh = sharding.make_mesh(config.mesh.data, config.mesh.fsdp)
    sharding.check_batch(config.train.batch_size, mesh, config.train.accumulate)
    data = open_data(config) if data is None else data
    network = build_network(config)
    run_step, tx = _train_step(config, network, mesh)
    create = functools.partial(
        step.create_state,
        tx=tx,
        with_teacher="teacher" in network_names(config),
    )
    shapes = variable_shapes(network)
    if config.method == "cps":
        shapes = two_students.variables(shapes, shapes)
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
        train_step=jax.jit(
            run_step,
            in_shardings=(state_sharding, sharding.batch_sharding(mesh)),
            out_shardings=(state_sharding, replicated),
            donate_argnums=0,
            compiler_options=_compiler_options(config, mesh),
        ),
        evaluate=build_evaluator(config, network, mesh),
    )
