"""The parts of a run, built from its config; below here nobody sees one."""

import functools
import logging
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from ml_collections import ConfigDict

from ipixmatch_jax import models, optim, sharding, step
from ipixmatch_jax.checkpoint import abstract
from ipixmatch_jax.data import sources, views
from ipixmatch_jax.evaluate import make_evaluator
from ipixmatch_jax.losses import pixel
from ipixmatch_jax.methods import METHODS
from ipixmatch_jax.methods.base import Views
from ipixmatch_jax.models import pretrained

_LOGGER = logging.getLogger(__name__)


class Parts(NamedTuple):
    """What a run is made of; everything that is not state."""

    data: sources.DataSet
    mesh: Mesh
    network: models.DeepLabV3Plus
    like: step.TrainState  # shapes and shardings
    init: object  # () -> TrainState
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
    """The data set that a config describes, its files checked."""
    data = sources.open_data(
        config.data.name,
        config.data.root,
        config.data.splits_dir,
        config.data.split,
    )
    if len(data.class_names) != config.model.num_classes:
        raise ValueError(
            f"config.model.num_classes={config.model.num_classes}, but "
            f"{config.data.name} has {len(data.class_names)} classes."
        )
    return data


def labelled_loss(config: ConfigDict):
    """(logits, labels) -> scalar, as config.loss says."""
    if config.loss.labelled == "ce":
        return pixel.cross_entropy
    return functools.partial(
        pixel.ohem_cross_entropy,
        threshold=config.loss.ohem_threshold,
        min_kept=config.loss.ohem_min_kept,
    )


def make_views(batch: dict, *, on_device: bool) -> Views:
    """A batch of data/pipeline.py as normalised views."""
    labelled = batch["labelled"]
    images = views.normalise(views.weak(labelled["image"], jnp), jnp)
    if "unlabelled" not in batch:
        return Views(images, labelled["mask"])
    unlabelled = batch["unlabelled"]
    if on_device:
        unlabelled = views.apply(unlabelled, jnp)
    return Views(
        images,
        labelled["mask"],
        weak=views.normalise(unlabelled["weak"], jnp),
        strong=views.normalise(unlabelled["strong_1"], jnp),
        box=unlabelled["box_1"],
        valid=unlabelled["valid"],
    )


def _initial_variables(config: ConfigDict, network):
    size = config.data.crop_size
    images = jnp.zeros((1, size, size, 3), jnp.float32)
    init = functools.partial(network.init, train=False)
    variables = jax.jit(init)(jax.random.key(config.seed), images)
    if config.model.pretrained:
        prefixes = tuple(filter(None, config.model.allow_missing.split(",")))
        return pretrained.load_backbone(
            config.model.pretrained, variables, allow_missing=prefixes
        )
    if config.model.backbone != "tiny":
        _LOGGER.warning(
            "RANDOM WEIGHTS: model.pretrained is empty, and the learning "
            "rates of this recipe assume an ImageNet backbone. Expect far "
            "lower scores than any published table; give a file with "
            "--config.model.pretrained=FILE.safetensors."
        )
    return variables


def _forward(network, variables, images, train: bool):
    """The network as methods call it: logits, new batch statistics."""
    if not train:
        return network.apply(variables, images, False), None
    logits, updated = network.apply(
        variables, images, True, mutable=["batch_stats"]
    )
    return logits, updated["batch_stats"]


def _train_step(config: ConfigDict, network):
    """The pure step with everything bound but state and batch."""
    schedule = optim.poly_schedule(
        config.train.learning_rate, config.train.steps
    )
    tx = optim.sgd(
        schedule,
        head_multiplier=config.train.head_multiplier,
        weight_decay=config.train.weight_decay,
    )
    on_device = config.data.apply_views == "device"
    run_step = functools.partial(
        step.train_step,
        forward=functools.partial(_forward, network),
        make_views=functools.partial(make_views, on_device=on_device),
        method=functools.partial(
            METHODS[config.method],
            labelled_loss=labelled_loss(config),
            threshold=config.pseudo_label.threshold,
        ),
        tx=tx,
        schedule=schedule,
        inter_pixel=step.InterPixel(**config.inter_pixel.to_dict()),
        ema_decay=config.ema.decay,
        ema_rampup=config.ema.rampup,
    )
    return run_step, tx


def build(config: ConfigDict, data: sources.DataSet | None = None) -> Parts:
    """Opens the data and builds the functions of a run.

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
        step.create_state, tx=tx, with_teacher=config.teacher == "ema"
    )
    shapes = jax.eval_shape(create, variable_shapes(network))
    state_sharding = sharding.state_sharding(shapes, mesh)
    replicated = sharding.replicated(mesh)
    return Parts(
        data=data,
        mesh=mesh,
        network=network,
        like=abstract(shapes, state_sharding),
        init=lambda: jax.jit(create, out_shardings=state_sharding)(
            _initial_variables(config, network)
        ),
        train_step=jax.jit(
            run_step,
            in_shardings=(state_sharding, sharding.batch_sharding(mesh)),
            out_shardings=(state_sharding, replicated),
            donate_argnums=0,
        ),
        evaluate=build_evaluator(config, network, mesh),
    )
