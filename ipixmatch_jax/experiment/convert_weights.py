"""Converts other projects' weights to ours, and ours to PyTorch's names."""

import pathlib

import numpy as np

from ipixmatch_jax.experiment import restore
from ipixmatch_jax.experiment.network import find_weights_loader
from ipixmatch_jax.models import registry as model_registry
from ipixmatch_jax.models.segmenter import variable_shapes
from ipixmatch_jax.models.weights import files, foreign_names, load, torch_names


def convert(
    source: str,
    to: pathlib.Path,
    allow_missing: tuple[str, ...] = (),
    network: str | None = None,
) -> str:
    """Writes a file of others as float32 under the reference's names.

    The backbone, its stem and the number of classes are told from the
    tensors; what is there is compared with that network strictly.

    Args:
      source: a path or a name of the hub.
      to: a .safetensors file.
      allow_missing: beginnings of names whose tensors may be absent; `to`
        lacks them too.
      network: which network of a training checkpoint, see pretrained.read.

    Returns:
      a sentence on what was written.

    Raises:
      FileNotFoundError, ValueError: see pretrained.load; nothing is written.
    """
    files.check_suffix(to)
    tensors, what = _tensors(source, allow_missing, network)
    files.write(to, tensors)
    return f"{to}: {what}, {len(tensors)} tensors"


def export(
    source: str,
    to: pathlib.Path,
    which: str = "best",
    network: str | None = None,
) -> str:
    """Writes our weights as a state dict of the reference.

    The kernels are float32, bit by bit ours; every batch norm's
    `num_batches_tracked` is 0, as we do not count.

    Args:
      source: a run's workdir, or a file that `convert` or `export` wrote.
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
    workdir = pathlib.Path(source)
    if workdir.is_dir():
        run = restore.restore(workdir, which)
        name = network or run.better
        if name not in run.variables:
            raise ValueError(
                f"{workdir} has no network {name!r}; it has "
                f"{' and '.join(run.variables)}."
            )
        find_weights_loader(run.config)
        tensors = torch_names.to_torch_names(run.variables[name])
        what = f"the {name} after {run.step} steps"
    elif network is not None:
        raise ValueError(f"{source} is no workdir, so it has no {network}.")
    else:
        tensors, what = _tensors(source)
    tensors = torch_names.with_counters(tensors)
    files.write(to, tensors)
    return f"{to}: {what}, {len(tensors)} tensors"


def _tensors(source, allow_missing=(), network=None):
    """The checked float32 tensors of a file, and what they are of."""
    tensors = load.read(source, network)
    layout = foreign_names.layout(tensors, source)
    like = variable_shapes(
        model_registry.build(
            layout.backbone, layout.num_classes or 2, stem=layout.stem
        )
    )
    wanted = list(torch_names.entries(like))
    what = f"a whole network of {layout.num_classes} classes"
    if not foreign_names.has_head(tensors):
        wanted = [e for e in wanted if e.name.startswith(torch_names.BACKBONE)]
        what = "a backbone"
    present = load.select(wanted, tensors, source, allow_missing)
    chosen = {e.name: np.asarray(tensors[e.name], np.float32) for e in present}
    return chosen, f"{layout.backbone} with stem {layout.stem}, {what}"
