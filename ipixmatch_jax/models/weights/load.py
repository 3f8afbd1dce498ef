"""Other people's weights in our networks:

python -m ipixmatch_jax.models.pretrained convert IN --to OUT
python -m ipixmatch_jax.models.pretrained export IN --to OUT
"""

import logging
import pathlib
import re
from collections.abc import Mapping

import jax
import numpy as np

from ipixmatch_jax.models.weights import (
    files,
    foreign_names,
    hub,
    input_channels,
    torch_names,
)
from ipixmatch_jax.models.weights.torch_names import (
    BACKBONE,
    Entry,
    from_torch_names,
    shortened,
    to_torch_names,
)

__all__ = [
    "find",
    "from_torch_names",
    "has_head",
    "load",
    "merge",
    "read",
    "select",
    "to_torch_names",
]

_LOGGER = logging.getLogger(__name__)


def find(source: str | pathlib.Path) -> pathlib.Path:
    """The file that a path or a name of the hub means.

    A path is what exists or ends as files of weights do; anything else of
    the form owner/repository or owner/repository:file is looked for in the
    cache, then on the hub.

    Raises:
      FileNotFoundError: there is no such file; says where to put it.
    """
    path = pathlib.Path(source).expanduser()
    if path.exists():
        return path
    name = hub.parse_name(str(source))
    is_file = path.suffix in files.SUFFIXES and ":" not in str(source)
    if name is None or is_file:
        raise FileNotFoundError(
            f"{source}: there is no such file, and it is no name of the hub, "
            "which is owner/repository or owner/repository:file."
        )
    return hub.download_file(name)


def read(
    source: str | pathlib.Path, network: str | None = None
) -> dict[str, np.ndarray]:
    """The tensors of a file under the reference's names.

    Args:
      source: a path or a name of the hub, see `find`.
      network: which of weight_files.NETWORKS to take from a training
        checkpoint that holds several; None: the averaged one, `model_ema`,
        if there is one.

    Returns:
      arrays by name, those of the backbone with `backbone.` before them.

    Raises:
      FileNotFoundError, ValueError: see weight_files.read and
        foreign_names.translate.
    """
    tensors, taken = files.read(find(source), network)
    if taken:
        _LOGGER.info("%s: a checkpoint, of which %s is taken", source, taken)
    return foreign_names.translate(tensors, str(source))


def select(
    wanted: list[Entry],
    tensors: Mapping[str, np.ndarray],
    source: str,
    allow_missing: tuple[str, ...] = (),
    hint: str = "",
) -> list[Entry]:
    """The wanted entries that are there, after a strict comparison.

    Args:
      wanted: what the network has.
      tensors: what the file has, under the reference's names.
      source: names the file in sentences.
      allow_missing: beginnings of names, such as "layer4", whose tensors
        may be absent; the log lists those that are.
      hint: begins the sentence on a misfit.

    Raises:
      ValueError: lists missing, extra and misshapen tensors, or a beginning
        that no tensor has.
    """
    allowed = {
        prefix: {e.name for e in wanted if _begins(e.name, prefix)}
        for prefix in allow_missing
    }
    for prefix, names in allowed.items():
        if not names:
            raise ValueError(
                f"no tensor's name begins with {prefix!r}, which is allowed "
                "to be missing; names are like layer4.2.conv3.weight."
            )
    absent = set().union(*allowed.values()) - set(tensors)
    present = [entry for entry in wanted if entry.name not in absent]
    if {entry.name for entry in present} > set(tensors):
        hint = hint or "what may be absent goes into allow_missing; "
    torch_names.check(present, tensors, source, hint)
    if absent:
        _LOGGER.warning(
            "%s lacks %d tensors, as allowed; they start at random: %s",
            source,
            len(absent),
            shortened(absent),
        )
    return present


def load(
    source: str | pathlib.Path,
    variables: Mapping,
    allow_missing: tuple[str, ...] = (),
    *,
    whole: bool = False,
    network: str | None = None,
) -> dict:
    """Variables with the weights of a file or of the hub.

    Args:
      source: a path or a name of the hub, see `find`. A file of a backbone
        fills the backbone, and may have further stages; a file that reaches
        beyond it must be of the whole network, and fills it. One of three
        channels fits images of another number too, see input_channels.py.
      variables: params and batch_stats; ShapeDtypeStructs do.
      allow_missing: beginnings of names, such as "layer4", whose tensors
        may be absent: those stay as they are in `variables`.
      whole: a backbone alone is not enough, nor are three channels where
        the network has others: it is to be used as it is.
      network: see `read`.

    Returns:
      new variables; what was read is float32 NumPy.

    Raises:
      FileNotFoundError: there is no such file, or the hub is out of reach.
      ValueError: it is no file of weights, damaged, wants to run code, or
        does not fit: lists missing, extra and misshapen tensors.
    """
    tensors = read(source, network)
    wanted = list(torch_names.entries(variables))
    if not whole and not foreign_names.has_head(tensors):
        wanted = [e for e in wanted if e.name.startswith(BACKBONE)]
        tensors = _without_further_stages(tensors, wanted, str(source))
    if not whole:
        tensors = input_channels.fitted(tensors, wanted, str(source))
    hint = _hint(wanted, tensors, str(source))
    present = select(wanted, tensors, str(source), allow_missing, hint)
    return torch_names.fill(variables, present, tensors)


def merge(loaded: Mapping, variables: Mapping) -> dict:
    """`loaded` with its ShapeDtypeStructs replaced by `variables`."""
    return jax.tree.map(
        lambda new, old: old if isinstance(new, jax.ShapeDtypeStruct) else new,
        loaded,
        variables,
    )


def has_head(loaded: Mapping) -> bool:
    """Whether `load` filled more than the backbone."""
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
    """What to change if a file is of another network than the wanted."""
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
    there, here = theirs.num_classes, ours.num_classes
    if there is None and here is not None:
        hints.append("it has no head, and a whole network is wanted; ")
    elif there is not None and there != here:
        hints.append(f"it has {there} classes, not {here}; ")
    return "".join(hints)
