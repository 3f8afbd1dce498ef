"""Converts weights from other projects, and exports ours to PyTorch."""

import pathlib
from typing import NamedTuple

import numpy as np

from ipixmatch_jax.experiment import convert_transformers, restore
from ipixmatch_jax.models import registry as model_registry
from ipixmatch_jax.models.registry import BACKBONES
from ipixmatch_jax.models.segmenter import variable_shapes
from ipixmatch_jax.models.weights import (
    files,
    foreign_names,
    load,
    torch_names,
    unimatch_v2_names,
)
from ipixmatch_jax.utils.atomic import require_writable


def convert_weights(
    source: str,
    to: pathlib.Path,
    allow_missing: tuple[str, ...] = (),
    network: str | None = None,
) -> str:
    """Converts a file to float32 tensors under the reference's names.

    The tensors tell the backbone, its stem and the number of classes. They
    are then compared strictly with that network. The reference of a vision
    transformer is UniMatch V2, with Meta's names for the encoder.

    Args:
      source: a path or a name of the hub.
      to: the .safetensors file to write.
      allow_missing: beginnings of names whose tensors may be absent; `to`
        lacks them too.
      network: which network of a training checkpoint, see
        load.read_reference_tensors.

    Returns:
      a sentence on what was written.

    Raises:
      FileNotFoundError, ValueError: see load.load_weights; nothing is
        written.
    """
    files.check_suffix(to)
    require_writable(to, "--to")
    tensors, what = _tensors(source, allow_missing, network)
    files.write_tensors(to, tensors)
    return f"{to}: {what}, {len(tensors)} tensors"


def export_weights(
    source: str,
    to: pathlib.Path,
    which: str = "best",
    network: str | None = None,
) -> str:
    """Exports a network as a state dict of the reference.

    That is UniMatch v1, or with a DPT head V2, whose own code loads it.
    The values are ours, float32, bit for bit. Every batch norm's
    `num_batches_tracked` is 0, because batches are not counted here.

    Args:
      source: a run's workdir, or a file that either function here wrote.
      to: a .safetensors file, or .pth where torch is installed.
      which: "best" or "last" checkpoint of a workdir.
      network: "student", "teacher" or "twin" of a workdir; None: the one
        that scored best on val.

    Returns:
      a sentence on what was written.

    Raises:
      FileNotFoundError, ValueError: nothing is written.
    """
    files.check_suffix(to)
    require_writable(to, "--to")
    workdir = pathlib.Path(source)
    if workdir.is_dir():
        run = read_named(workdir, which, network)
        tensors = run.tensors
        what = f"the {run.network} after {run.step} steps"
    elif network is not None:
        raise ValueError(
            f"--network {network} chooses from a workdir, and {source} is a "
            "file: leave it out."
        )
    else:
        tensors, what = _tensors(source)
        tensors = torch_names.with_counters(tensors)
    files.write_tensors(to, tensors)
    return f"{to}: {what}, {len(tensors)} tensors"


class Named(NamedTuple):
    """A network of a run under the reference's names.

    Attributes:
      network: its name in the run, such as "teacher".
      step: the steps that it was trained for.
      tensors: float32 arrays by name, and the counters of batch norms.
    """

    network: str
    step: int
    tensors: dict[str, np.ndarray]


def read_named(
    workdir: pathlib.Path, which: str = "best", network: str | None = None
) -> Named:
    """Reads a network of a run under the reference's names.

    Args:
      workdir: the run's.
      which: "best" or "last" checkpoint.
      network: see `export_weights`.

    Raises:
      FileNotFoundError, ValueError: there is no such run or network, or no
        names of tensors are known for it.
    """
    run = restore.restore_networks(workdir, which)
    name = network or run.better
    if name not in run.variables:
        raise ValueError(
            f"{workdir} holds the networks "
            f"{' and '.join(run.variables)}, but not {name!r}."
        )
    backbone = run.config.model.backbone
    if BACKBONES[backbone].load_weights is None:
        raise ValueError(
            f"{workdir} cannot be exported: no names of tensors are known "
            f"for its backbone {backbone}."
        )
    tensors = torch_names.with_counters(_named(run.variables[name]))
    return Named(name, run.step, tensors)


def _named(variables):
    """A network's tensors, with a DPT head under UniMatch V2's names."""
    if "fuse_4" in variables["params"]["head"]:
        return unimatch_v2_names.to_v2_names(variables)
    return torch_names.to_torch_names(variables)


def _tensors(source, allow_missing=(), network=None):
    """The checked float32 tensors of a file, and words on its network."""
    there, _ = files.read_tensors(load.find_file(source), network)
    if convert_transformers.is_transformer(there):
        return convert_transformers.checked_tensors(
            there, source, allow_missing, network
        )
    tensors = load.read_reference_tensors(source, network)
    layout = foreign_names.layout(tensors, source)
    like = variable_shapes(
        model_registry.build(
            layout.backbone,
            layout.num_classes or 2,
            head=layout.head,
            stem=layout.stem,
        )
    )
    wanted = load.network_entries(like)
    what = f"a whole network of {layout.num_classes} classes"
    if not foreign_names.has_head(tensors):
        wanted = [e for e in wanted if e.name.startswith(torch_names.BACKBONE)]
        what = "a backbone"
    present = load.select_entries(wanted, tensors, source, allow_missing)
    chosen = {e.name: np.asarray(tensors[e.name], np.float32) for e in present}
    return chosen, f"{layout.backbone} with stem {layout.stem}, {what}"
