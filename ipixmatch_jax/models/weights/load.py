"""Loads weights from other projects into this project's networks."""

import logging
import pathlib
import re
from collections.abc import Iterable, Mapping

import jax
import numpy as np

from ipixmatch_jax.models.weights import (
    files,
    foreign_names,
    hub,
    input_channels,
    torch_names,
    unimatch_v2_names,
)
from ipixmatch_jax.models.weights.torch_names import (
    BACKBONE,
    Entry,
    from_torch_names,
    shortened,
    to_torch_names,
)

__all__ = [
    "fill_unloaded",
    "find_file",
    "from_torch_names",
    "has_head",
    "list_unloaded",
    "load_weights",
    "network_entries",
    "parse_hub_name",
    "read_reference_tensors",
    "select_entries",
    "to_torch_names",
]

_LOGGER = logging.getLogger(__name__)


def find_file(source: str | pathlib.Path) -> pathlib.Path:
    """The local file of a path or of a name of the hub.

    A text that exists as a path, or ends in a suffix of weight files, is a
    path. Any other text of the form owner/repository or
    owner/repository:file is a name of the hub, which is looked for in the
    cache first.

    Raises:
      FileNotFoundError: the file does not exist, or cannot be downloaded.
    """
    path = pathlib.Path(source).expanduser()
    if path.exists():
        return path
    name = parse_hub_name(str(source))
    if name is None:
        raise FileNotFoundError(
            f"{source}: this file does not exist, and a name of the hub has "
            "the form owner/repository or owner/repository:file."
        )
    return hub.download_file(name)


def parse_hub_name(source: str) -> hub.HubFile | None:
    """The file of the hub that a text names; None: the text is a path.

    See `find_file`.
    """
    path = pathlib.Path(source).expanduser()
    is_file = path.suffix in files.SUFFIXES and ":" not in source
    return None if path.exists() or is_file else hub.parse_name(source)


def read_reference_tensors(
    source: str | pathlib.Path, network: str | None = None
) -> dict[str, np.ndarray]:
    """Reads the tensors of a file, under the reference's names.

    Args:
      source: a path or a name of the hub, see `find_file`.
      network: which of files.NETWORKS to take from a training
        checkpoint that holds several; None: the averaged one, `model_ema`,
        if there is one.

    Returns:
      arrays by name; those of the backbone begin with `backbone.`.

    Raises:
      FileNotFoundError, ValueError: see files.read_tensors and
        foreign_names.translate.
    """
    tensors, taken = files.read_tensors(find_file(source), network)
    if taken:
        _LOGGER.info("%s: takes %s of this checkpoint", source, taken)
    return foreign_names.translate(tensors, str(source))


def select_entries(
    wanted: list[Entry],
    tensors: Mapping[str, np.ndarray],
    source: str,
    allow_missing: tuple[str, ...] = (),
    hint: str = "",
) -> list[Entry]:
    """Compares a file with a network; returns the entries that it can fill.

    Args:
      wanted: the network's entries.
      tensors: the file's tensors, under the reference's names.
      source: the file's name, for messages.
      allow_missing: beginnings of names, such as "layer4". Tensors with
        such names may be absent; the log lists those that are.
      hint: goes before the list of what does not fit.

    Raises:
      ValueError: lists missing, extra and misshapen tensors; or a beginning
        that no tensor's name has.
    """
    allowed = {
        prefix: {e.name for e in wanted if _begins(e.name, prefix)}
        for prefix in allow_missing
    }
    for prefix, names in allowed.items():
        if not names:
            raise ValueError(
                f"No tensor's name begins with {prefix!r}, which is allowed "
                "to be missing: names look like layer4.2.conv3.weight."
            )
    absent = set().union(*allowed.values()) - set(tensors)
    present = [entry for entry in wanted if entry.name not in absent]
    if {entry.name for entry in present} > set(tensors):
        hint = hint or "name what may be absent in allow_missing; "
    torch_names.check_tensors(present, tensors, source, hint)
    if absent:
        _LOGGER.warning(
            "%s lacks %d tensors, which is allowed; they start from random "
            "values: %s",
            source,
            len(absent),
            shortened(absent),
        )
    return present


def load_weights(
    source: str | pathlib.Path,
    variables: Mapping,
    allow_missing: tuple[str, ...] = (),
    *,
    whole: bool = False,
    network: str | None = None,
) -> dict:
    """Reads a file of weights into variables.

    Args:
      source: a path or a name of the hub, see `find_file`. A file of a
        backbone fills the backbone, and may have further stages. A file with
        more than that must hold the whole network, and fills it. Weights for
        RGB images are adapted to other numbers of channels, see
        input_channels.py.
      variables: params and batch_stats; ShapeDtypeStructs do.
      allow_missing: beginnings of names, such as "layer4", whose tensors
        may be absent; those leaves stay as they are in `variables`.
      whole: require a whole network with the right number of channels,
        which can be used without training.
      network: see `read_reference_tensors`.

    Returns:
      new variables; the leaves that were read are float32 NumPy arrays.

    Raises:
      FileNotFoundError: the file does not exist or cannot be downloaded.
      ValueError: the file does not hold weights, is damaged, wants to run
        code, or does not fit: lists missing, extra and misshapen tensors.
    """
    tensors: Mapping[str, np.ndarray]
    tensors = read_reference_tensors(source, network)
    wanted = network_entries(variables)
    if not whole and not foreign_names.has_head(tensors):
        wanted = [e for e in wanted if e.name.startswith(BACKBONE)]
        tensors = _without_further_stages(tensors, wanted, str(source))
    if not whole:
        tensors = input_channels.fit_first_kernel(tensors, wanted, str(source))
    hint = _hint(wanted, tensors, str(source))
    present = select_entries(wanted, tensors, str(source), allow_missing, hint)
    return torch_names.fill_variables(variables, present, tensors)


def network_entries(variables: Mapping) -> list[Entry]:
    """Every leaf of a ResNet and its head, with torch's name and shape.

    A DPT head has UniMatch V2's names. A head that neither UniMatch has is
    left out.
    """
    if "fuse_4" in variables["params"]["head"]:
        leaves = unimatch_v2_names.network_leaves(variables)
        return [leaf.entry for leaf in leaves]
    return list(torch_names.entries(variables))


def list_unloaded(loaded: Mapping) -> tuple[bool, ...]:
    """Whether nothing was read for a leaf, for each of `loaded` in order."""
    return tuple(
        isinstance(leaf, jax.ShapeDtypeStruct)
        for leaf in jax.tree.leaves(loaded)
    )


def fill_unloaded(loaded: Mapping, leaves: Iterable[jax.Array]) -> dict:
    """`loaded`, with the next of `leaves` wherever nothing was read."""
    following = iter(leaves)
    return jax.tree.map(
        lambda leaf: (
            next(following) if isinstance(leaf, jax.ShapeDtypeStruct) else leaf
        ),
        loaded,
    )


def has_head(loaded: Mapping) -> bool:
    """Whether `load_weights` filled more than the backbone."""
    return not any(
        isinstance(leaf, jax.ShapeDtypeStruct)
        for leaf in jax.tree.leaves(loaded["params"]["head"])
    )


def _without_further_stages(tensors, wanted, source):
    """Tensors without the stages that follow the network's last one."""
    stage = re.compile(rf"{re.escape(BACKBONE)}layer(\d+)\.")
    last = max(int(m[1]) for e in wanted if (m := stage.match(e.name)))
    further = [n for n in tensors if (m := stage.match(n)) and int(m[1]) > last]
    if further:
        _LOGGER.info(
            "%s: skipped %d tensors of stages after layer%d, the last one of "
            "this network: %s",
            source,
            len(further),
            last,
            shortened(further),
        )
    return {n: value for n, value in tensors.items() if n not in further}


def _begins(name, prefix):
    return name.startswith(prefix) or name.startswith(BACKBONE + prefix)


def _hint(wanted, tensors, source):
    """Which fields to change if a file holds another network."""
    theirs = foreign_names.layout(tensors, source)
    ours = foreign_names.layout(
        {e.name: np.broadcast_to(np.float32(0), e.shape) for e in wanted},
        "the network",
    )
    hints = [
        f"its {field} is {there}, not {here}: set "
        f"--config.model.{field}={there}; "
        for field, there, here in zip(
            ("backbone", "stem"), theirs, ours, strict=False
        )
        if there != here
    ]
    if theirs.head and ours.head and theirs.head != ours.head:
        hints.append(
            f"its head is {theirs.head}, not {ours.head}: set "
            f"--config.model.head={theirs.head}; "
        )
    there, here = theirs.num_classes, ours.num_classes
    if there is None and here is not None:
        hints.append("it lacks the head, and a whole network is needed; ")
    elif there is not None and there != here:
        hints.append(f"it has {there} classes, not {here}; ")
    return "".join(hints)
