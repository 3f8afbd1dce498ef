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
from ipixmatch_jax.data import (
    counts,
    intensity,
    normalisation,
    recipes,
    sources,
    views,
)
from ipixmatch_jax.evaluate import make_evaluator
from ipixmatch_jax.losses import labelled as labelled_losses
from ipixmatch_jax.methods import METHODS, twins
from ipixmatch_jax.methods.base import Views
from ipixmatch_jax.models import freezing, pretrained

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
        mean=normalisation.parse("data.mean", config.data.mean) or None,
        std=normalisation.parse("data.std", config.data.std) or None,
        remat=config.model.remat,
        freeze=config.model.freeze,
    )


def variable_shapes(network: models.DeepLabV3Plus):
    """ShapeDtypeStructs of the network's params and batch_stats."""
    images = jnp.zeros((1, 65, 65, network.channels), jnp.float32)
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
    """Sets what a config leaves to the data set.

    That is model.num_classes where it is 0, data.mean and data.std where they
    are to be measured, and loss.class_weights where it is balanced.

    Raises:
      ValueError: the data set has another number of classes; or a file that
        is to be read cannot be.
    """
    if config.model.num_classes == 0:
        config.model.num_classes = len(data.class_names)
    if len(data.class_names) != config.model.num_classes:
        raise ValueError(
            f"config.model.num_classes={config.model.num_classes}, but "
            f"{config.data.name} has {len(data.class_names)} classes."
        )
    if config.data.normalisation == "data" and not config.data.mean:
        _measure(config, data)
    if config.loss.class_weights == "balanced":
        _balance(config, data)
    _class_weights(config)


def _measure(config: ConfigDict, data: sources.DataSet) -> None:
    found = normalisation.measure(data.labelled, data.unlabelled)
    config.data.mean = normalisation.text(found.mean)
    config.data.std = normalisation.text(found.std)
    _LOGGER.info(
        "Images are normalised with mean %s and deviation %s, of %d training "
        "images",
        config.data.mean,
        config.data.std,
        found.images,
    )


def _balance(config: ConfigDict, data: sources.DataSet) -> None:
    names = data.class_names
    on_error = config.data.on_error
    found = counts.count_classes(data.labelled, len(names), on_error)
    weights = counts.balanced_weights(found)
    config.loss.class_weights = normalisation.text(weights)
    pairs = zip(names, weights, strict=True)
    words = ", ".join(f"{name} {weight:g}" for name, weight in pairs)
    _LOGGER.info("Weights of the classes: %s", words)


def _class_weights(config: ConfigDict) -> tuple[float, ...]:
    """One number per class, () for none."""
    weights = config.loss.class_weights
    return normalisation.parse(
        "loss.class_weights",
        "" if weights == "none" else weights,
        config.model.num_classes,
    )


def labelled_loss(config: ConfigDict):
    """(logits, labels) -> scalar, as config.loss says."""
    return labelled_losses.make(
        config.loss.labelled,
        class_weights=_class_weights(config),
        ohem_threshold=config.loss.ohem_threshold,
        ohem_min_kept=config.loss.ohem_min_kept,
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
    batch: dict,
    *,
    recipe: recipes.Recipe,
    on_device: bool,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
) -> Views:
    """A batch of data/pipeline.py as normalised views; None: ImageNet's."""
    normalise = functools.partial(
        normalisation.normalise, xp=jnp, mean=mean, std=std
    )
    labelled = batch["labelled"]
    images = normalise(views.weak(labelled["image"], jnp))
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
    if loaded is None and config.model.freeze:
        _LOGGER.warning(
            "FROZEN RANDOM WEIGHTS: model.freeze=%s keeps these stages as they "
            "are, and model.pretrained is empty.",
            config.model.freeze,
        )
    return twins.variables(*started) if len(started) == 2 else started[0]


def forward(network, variables, images, train: bool, perturb=None):
    """The network as methods call it; see methods/base.py."""
    if train:
        params = freezing.stop_gradients(variables["params"], network.frozen)
        variables = {**variables, "params": params}
    apply = functools.partial(network.apply, variables, images, train)
    if perturb is not None:
        apply = functools.partial(
            apply, perturb, method=models.DeepLabV3Plus.with_perturbed
        )
    if not train:
        return apply(), None
    logits, updated = apply(mutable=["batch_stats"])
    return logits, updated["batch_stats"]


def _optimiser(config: ConfigDict, frozen: tuple[str, ...]):
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
        frozen=frozen,
    )
    return tx, schedule


def _train_step(config: ConfigDict, network, mesh: Mesh):
    """The pure step with everything bound but state and batch."""
    tx, schedule = _optimiser(config, network.frozen)
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
    data: sources.DataSet | None = None,
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
            compiler_options=_compiler_options(config, mesh),
        ),
        evaluate=build_evaluator(config, network, mesh),
    )
