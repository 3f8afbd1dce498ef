"""The parts of a run, built from its config; below here nobody sees one."""

import functools
import logging
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from ipixmatch_jax import models, optim, sharding, step
from ipixmatch_jax.checkpoint import abstract
from ipixmatch_jax.data import intensity, recipes, sources, views
from ipixmatch_jax.evaluate import make_evaluator
from ipixmatch_jax.losses import pixel
from ipixmatch_jax.methods import METHODS, twins
from ipixmatch_jax.methods.base import Views
from ipixmatch_jax.models import pretrained

_LOGGER = logging.getLogger(__name__)

# The views that methods ask for, where these are not two strong ones.
_RECIPES = {
    "mean_teacher": recipes.HALF,
    "unimatch": recipes.UNIMATCH,
    "augseg": intensity.RECIPE,
    "cps": recipes.THREE_BOXES,
}


class Parts(NamedTuple):
    """What a run is made of; everything that is not state."""

    data: sources.DataSet
    mesh: Mesh
    network: models.DeepLabV3Plus
    like: step.TrainState  # shapes and shardings
    init: object  # (seed) -> TrainState
    train_step: object  # (state, batch) -> (state, metrics)
    evaluate: object  # see evaluate.make_evaluator


def build_network(config: ConfigDict) -> models.DeepLabV3Plus:
    """The network that a config describes."""
    return models.build(
        config.model.backbone,
        config.model.num_classes,
        output_stride=config.model.output_stride,
        stem=config.model.stem,
        dtype=jnp.bfloat16 if config.precision == "bf16" else jnp.float32,
    )


def variable_shapes(network: models.DeepLabV3Plus):
    """ShapeDtypeStructs of the network's params and batch_stats."""
    images = jnp.zeros((1, 65, 65, 3), jnp.float32)
    return jax.eval_shape(
        lambda key: network.init(key, images, False), jax.random.key(0)
    )


def build_evaluator(config: ConfigDict, network, mesh: Mesh):
    """The evaluator that a config describes."""
    return make_evaluator(
        network,
        mode=config.evaluate.mode,
        crop_size=config.data.crop_size,
        num_classes=config.model.num_classes,
        batch_size=-(-config.evaluate.batch_size // mesh.size) * mesh.size,
        mesh=mesh,
    )


def open_data(config: ConfigDict) -> sources.DataSet:
    """The data set that a config describes, its files checked; see match_data.

    Raises:
      ValueError, FileNotFoundError: one sentence on what does not fit.
    """
    options = sources.OPTIONS.get(config.data.name, ())
    data = sources.open_data(
        config.data.name,
        config.data.root,
        config.data.splits_dir,
        config.data.split,
        **{field: config.data[field] for field in options},
    )
    match_data(config, data)
    return data


def match_data(config: ConfigDict, data: sources.DataSet) -> None:
    """Sets model.num_classes where it is 0: to that of the data set.

    Raises:
      ValueError: it is another number than the data set's.
    """
    if config.model.num_classes == 0:
        config.model.num_classes = len(data.class_names)
    if len(data.class_names) != config.model.num_classes:
        raise ValueError(
            f"config.model.num_classes={config.model.num_classes}, but "
            f"{config.data.name} has {len(data.class_names)} classes."
        )


def labelled_loss(config: ConfigDict):
    """(logits, labels) -> scalar, as config.loss says."""
    if config.loss.labelled == "ce":
        return pixel.cross_entropy
    return functools.partial(
        pixel.ohem_cross_entropy,
        threshold=config.loss.ohem_threshold,
        min_kept=config.loss.ohem_min_kept,
    )


def view_recipe(config: ConfigDict) -> recipes.Recipe:
    """The views that a config's method asks the pipeline for."""
    return _RECIPES.get(config.method, recipes.STRONG)


def network_names(config: ConfigDict) -> list[str]:
    """The networks that a run of a config saves and scores."""
    if config.method == "cps":
        return ["student", "twin"]
    return ["student"] + ["teacher"] * (config.teacher == "ema")


def make_views(
    batch: dict, *, recipe: recipes.Recipe, on_device: bool
) -> Views:
    """A batch of data/pipeline.py as normalised views."""
    labelled = batch["labelled"]
    images = views.normalise(views.weak(labelled["image"], jnp), jnp)
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
        weak=views.normalise(finished.pop("weak"), jnp),
        strong=tuple(views.normalise(image, jnp) for image in strong),
        box=tuple(finished.pop(f"box_{k}") for k in numbers),
        valid=finished.pop("valid"),
        drawn=finished,
    )


@functools.partial(jax.jit, static_argnums=(0, 1))
def _random_variables(network, size: int, key):
    images = jnp.zeros((1, size, size, 3), jnp.float32)
    return network.init(key, images, False)


def _initial_variables(config: ConfigDict, network, seed: int):
    loaded = None
    if config.model.pretrained:  # before the compilation: it may be refused
        prefixes = tuple(filter(None, config.model.allow_missing.split(",")))
        loaded = pretrained.load(
            config.model.pretrained, variable_shapes(network), prefixes
        )
        if config.method == "cps" and pretrained.has_head(loaded):
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
        started = [pretrained.merge(loaded, one) for one in started]
    elif config.model.backbone != "tiny":
        _LOGGER.warning(
            "RANDOM WEIGHTS: model.pretrained is empty, and the learning "
            "rates of this recipe assume an ImageNet backbone. Expect far "
            "lower scores than any published table; give a file with "
            "--config.model.pretrained=FILE.safetensors."
        )
    return twins.variables(*started) if len(started) == 2 else started[0]


def forward(network, variables, images, train: bool, perturb=None):
    """The network as methods call it; see methods/base.py."""
    apply = functools.partial(network.apply, variables, images, train)
    if perturb is not None:
        apply = functools.partial(
            apply, perturb, method=models.DeepLabV3Plus.with_perturbed
        )
    if not train:
        return apply(), None
    logits, updated = apply(mutable=["batch_stats"])
    return logits, updated["batch_stats"]


def _optimiser(config: ConfigDict):
    """(transformation, schedule) as config.train says."""
    t = config.train
    schedule = (
        optim.poly_schedule(t.learning_rate, t.steps)
        if t.schedule == "poly"
        else optax.constant_schedule(t.learning_rate)
    )
    make = optim.adam if t.optimiser == "adam" else optim.sgd
    tx = make(
        schedule,
        head_multiplier=t.head_multiplier,
        weight_decay=t.weight_decay,
    )
    return tx, schedule


def _train_step(config: ConfigDict, network):
    """The pure step with everything bound but state and batch."""
    tx, schedule = _optimiser(config)
    on_device = config.data.apply_views == "device"
    run_step = functools.partial(
        step.train_step,
        forward=functools.partial(forward, network),
        make_views=functools.partial(
            make_views, recipe=view_recipe(config), on_device=on_device
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
    )
    return run_step, tx


def build(config: ConfigDict, data: sources.DataSet | None = None) -> Parts:
    """Opens the data and builds the functions of a run.

    What they compile depends on neither the seed nor the data set, so runs
    that differ in nothing else can share them.

    Args:
      config: see configs/common.py.
      data: an open data set, instead of the one that the config names.

    Raises:
      ValueError, FileNotFoundError: one sentence on what does not fit.
    """
    mesh = sharding.make_mesh(config.mesh.data, config.mesh.fsdp)
    sharding.check_batch(config.train.batch_size, mesh)
    data = open_data(config) if data is None else data
    network = build_network(config)
    run_step, tx = _train_step(config, network)
    create = functools.partial(
        step.create_state,
        tx=tx,
        with_teacher="teacher" in network_names(config),
    )
    shapes = variable_shapes(network)
    if config.method == "cps":
        shapes = twins.variables(shapes, shapes)
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
        ),
        evaluate=build_evaluator(config, network, mesh),
    )
