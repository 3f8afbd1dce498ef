"""The command that turns weights of others into ours, and ours into theirs:

python -m ipixmatch_jax.models.pretrained convert IN --to OUT.safetensors
python -m ipixmatch_jax.models.pretrained export IN --to OUT.pth
"""

import argparse
import logging
import pathlib
import sys

import numpy as np

from ipixmatch_jax import models
from ipixmatch_jax.cli import arguments
from ipixmatch_jax.experiment import restore
from ipixmatch_jax.models.weights import files, foreign_names, load, torch_names
from ipixmatch_jax.training import setup

_MODULE = "ipixmatch_jax.models.pretrained"


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
    like = setup.variable_shapes(
        models.build(layout.backbone, layout.num_classes or 2, stem=layout.stem)
    )
    wanted = list(torch_names.entries(like))
    what = f"a whole network of {layout.num_classes} classes"
    if not foreign_names.has_head(tensors):
        wanted = [e for e in wanted if e.name.startswith(torch_names.BACKBONE)]
        what = "a backbone"
    present = load.select(wanted, tensors, source, allow_missing)
    chosen = {e.name: np.asarray(tensors[e.name], np.float32) for e in present}
    return chosen, f"{layout.backbone} with stem {layout.stem}, {what}"


def _parser() -> argparse.ArgumentParser:
    parser = arguments.parser(
        _MODULE,
        description="Turns weights of others into ours, and ours into theirs.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    here = commands.add_parser(
        "convert",
        help="weights of others into ours",
        **arguments.said(_MODULE, ("convert",)),
    )
    here.add_argument("source", metavar="IN", help="a file, or a hub name")
    here.add_argument(
        "--allow-missing",
        default="",
        metavar="PREFIXES",
        help="comma-separated beginnings of names that IN may lack",
    )
    here.add_argument(
        "--network",
        choices=files.NETWORKS,
        help="of a training checkpoint; default: the first that is there",
    )
    back = commands.add_parser(
        "export",
        help="our weights into the reference's",
        **arguments.said(_MODULE, ("export",)),
    )
    back.add_argument(
        "source", metavar="IN", help="a workdir, or a file of ours"
    )
    back.add_argument(
        "--checkpoint",
        choices=("best", "last"),
        default="best",
        help="of a workdir (default: %(default)s)",
    )
    back.add_argument(
        "--network",
        help="student or teacher of a workdir, or with cps twin; default: "
        "the one that scored best on val",
    )
    for command in (here, back):
        command.add_argument(
            "--to",
            required=True,
            type=pathlib.Path,
            metavar="OUT",
            help="a .safetensors file, or with export a .pth file",
        )
    return parser


def main() -> None:
    """Runs `convert` or `export`; what is wrong is one sentence."""
    args = _parser().parse_args()
    logging.basicConfig(format="%(message)s", force=True)
    logging.getLogger("ipixmatch_jax").setLevel(logging.INFO)
    try:
        if args.command == "convert":
            prefixes = tuple(filter(None, args.allow_missing.split(",")))
            done = convert(args.source, args.to, prefixes, args.network)
        else:
            done = export(args.source, args.to, args.checkpoint, args.network)
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"ipixmatch_jax: {error}")
    print(done)
