"""Names of tensors without the names of what the network was wrapped in."""

import logging
from collections.abc import Mapping

import numpy as np

_LOGGER = logging.getLogger(__name__)

# torch.compile, DistributedDataParallel, Lightning and the like, and the
# networks of training code that holds several.
_WRAPPERS = ("_orig_mod", "module", "model", "net", "network")
_NETWORKS = ("student", "teacher", "ema", "model_ema", "ema_model")


def unwrap(
    tensors: Mapping[str, np.ndarray], source: str
) -> dict[str, np.ndarray]:
    """Tensors without beginnings that all names share, such as `_orig_mod.`.

    Args:
      tensors: arrays by name.
      source: the file's name, for messages.

    Raises:
      ValueError: every name begins with that of a network, and these are
        several.
    """
    named = dict(tensors)
    taken: list[str] = []
    while True:
        first = {name.rpartition(".")[0].partition(".")[0] for name in named}
        if len(first) > 1 and first <= {*_NETWORKS}:
            raise ValueError(
                f"{source} holds the networks {' and '.join(sorted(first))} "
                "side by side: save the tensors of one of them alone."
            )
        if len(first) != 1 or not first <= {*_WRAPPERS, *_NETWORKS}:
            break
        (prefix,) = first
        taken.append(prefix)
        named = {n.removeprefix(f"{prefix}."): v for n, v in named.items()}
    if taken and taken != ["module"]:
        _LOGGER.info(
            "%s: names are read without %s. before them",
            source,
            ".".join(taken),
        )
    return named
