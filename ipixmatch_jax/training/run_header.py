"""The lines at the start of a run that say what it is."""

import logging
import pathlib

import jax
from ml_collections import FrozenConfigDict

from ipixmatch_jax.data.registry import DataSet
from ipixmatch_jax.experiment.continue_from import Origin
from ipixmatch_jax.methods.base import AVERAGED
from ipixmatch_jax.methods.registry import METHODS
from ipixmatch_jax.models.cost import count_forward_flops, count_parameters
from ipixmatch_jax.models.registry import BACKBONES
from ipixmatch_jax.training.setup import Parts
from ipixmatch_jax.utils.accelerators import find_unsupported

_LOGGER = logging.getLogger(__name__)


def log_header(
    config: FrozenConfigDict,
    parts: Parts,
    workdir: pathlib.Path,
    origin: Origin | None = None,
) -> None:
    """Logs the five lines, on the first process."""
    if jax.process_index() != 0:
        return
    for line in describe(config, parts, workdir, origin):
        _LOGGER.info("%s", line)


def describe(
    config: FrozenConfigDict,
    parts: Parts,
    workdir: pathlib.Path,
    origin: Origin | None = None,
) -> list[str]:
    """Devices, method and network, data, steps, and workdir: a line each."""
    return [
        f"Devices: {_devices(parts)}",
        f"Method: {_method(config)}; network: "
        f"{_network(config, parts, origin)}",
        f"Data: {_data(config, parts.data)}",
        f"Steps: {_steps(config)}",
        f"Workdir: {workdir}",
    ]


def _devices(parts: Parts) -> str:
    devices = parts.mesh.devices.ravel().tolist()
    kinds = sorted({device.device_kind for device in devices})
    words = f"{len(devices)} x {', '.join(kinds)}"
    if jax.process_count() > 1:
        words += f" in {jax.process_count()} processes"
    unused = jax.device_count() - len(devices)
    if unused:
        words += f"; {unused} more are not used, see mesh.data"
    idle = find_unsupported() if devices[0].platform == "cpu" else None
    if idle is None:
        return words
    name, command = idle
    return f"{words}; {name} is idle for want of jax's extra: {command}"


def _method(config: FrozenConfigDict) -> str:
    words = config.method
    if config.teacher == AVERAGED and METHODS[config.method].uses_unlabelled:
        words += " with an averaged teacher"
    term = config.inter_pixel
    if term.weight > 0:
        words += (
            f", inter-pixel loss {term.relation}/{term.distance} with the "
            f"weight {term.weight:g}"
        )
    return words


def _network(
    config: FrozenConfigDict, parts: Parts, origin: Origin | None
) -> str:
    model, side = config.model, config.data.crop_size
    head = model.head or BACKBONES[model.backbone].head
    millions = count_parameters(parts.network) / 1e6
    words = f"{model.backbone} with {head}, {millions:.3g} M parameters"
    copies = len(METHODS[config.method].networks)
    if copies > 1:
        words = f"{copies} x {words} each"
    flops = count_forward_flops(parts.network, side)
    if flops:
        words += f", {flops / 1e9:.3g} GFLOPs a crop (forward)"
    if origin is not None:
        words += f", {origin.describe()}"
    elif model.pretrained:
        words += f", from {model.pretrained}"
    return words


def _data(config: FrozenConfigDict, data: DataSet) -> str:
    where = " ".join(filter(None, (config.data.name, config.data.split)))
    if config.data.root:
        where += f" at {config.data.root}"
    counts = [
        f"{len(data.labelled):,} labelled",
        f"{len(data.unlabelled):,} unlabelled",
        f"{len(data.val):,} val",
    ]
    if data.test is not None:
        counts.append(f"{len(data.test):,} test")
    classes = len(data.class_names)
    return f"{where}, {', '.join(counts)} images, {classes} classes"


def _steps(config: FrozenConfigDict) -> str:
    train, side = config.train, config.data.crop_size
    batch = f"{train.batch_size} labelled"
    if METHODS[config.method].uses_unlabelled:
        batch += f" + {train.batch_size} unlabelled"
    return (
        f"{train.steps:,} of {batch} crops of {side}x{side} pixels, val "
        f"scored every {train.eval_every:,}"
    )
