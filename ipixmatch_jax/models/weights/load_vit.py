"""Files of weights for vision transformers, with or without a DPT head."""

import logging
import pathlib
from collections.abc import Mapping

import numpy as np

from ipixmatch_jax.models.weights import (
    files,
    input_channels,
    layouts,
    load,
    unimatch_v2_names,
)
from ipixmatch_jax.models.weights.unimatch_v2_names import BACKBONE

_LOGGER = logging.getLogger(__name__)
_PATCHES = f"{BACKBONE}patch_embed.proj.weight"


def load_vit(
    source: str | pathlib.Path,
    variables: Mapping,
    allow_missing: tuple[str, ...] = (),
    *,
    whole: bool = False,
    network: str | None = None,
) -> dict:
    """Variables with the weights of a file or of the hub.

    DINOv2's weights are under Apache-2.0. DINOv3's are under a licence of
    their own, which copies and derived models must carry, and the hub gives
    them to users who accepted it.

    Args:
      source: a path or a name of the hub, see load.find_file. An encoder's file
        (Meta's, Hugging Face's or timm's) fills the backbone; a UniMatch V2
        checkpoint fills the whole network. Weights of three channels fit
        images of another number too, see input_channels.py.
      variables: params of a vision transformer with a DPT head;
        ShapeDtypeStructs do.
      allow_missing: beginnings of names, such as "blocks.11.", whose tensors
        may be absent: those keep their values of `variables`.
      whole: an encoder alone is not enough, nor are three channels where the
        network has others.
      network: which network of a training checkpoint, see
        load.read_reference_tensors.

    Returns:
      new variables; what was read is float32 NumPy.

    Raises:
      FileNotFoundError: there is no such file, or the hub is out of reach.
      ValueError: the file is damaged, wants to run code, or does not fit:
        lists missing, extra and misshapen tensors.
    """
    tensors, taken = files.read_tensors(load.find_file(source), network)
    if taken:
        _LOGGER.info("%s: a checkpoint, of which %s is taken", source, taken)
    source = str(source)
    tensors = unimatch_v2_names.translate(tensors, variables, source)
    wanted = list(unimatch_v2_names.network_leaves(variables))
    if not whole and not unimatch_v2_names.has_head(tensors):
        wanted = [leaf for leaf in wanted if leaf.name.startswith(BACKBONE)]
    if not whole:
        tensors = _fitted(tensors, wanted, source)
    hint = _hint(tensors, wanted)
    entries = [leaf.entry for leaf in wanted]
    present = load.select_entries(entries, tensors, source, allow_missing, hint)
    names = {entry.name for entry in present}
    leaves = [leaf for leaf in wanted if leaf.name in names]
    return layouts.replace_leaves(variables, leaves, tensors, source)


def _fitted(tensors, wanted, source):
    """Tensors whose patch embedding fits the images' channels."""
    kernel = tensors.get(_PATCHES)
    (channels,) = (x.shape[1] for x in wanted if x.name == _PATCHES)
    if kernel is None or kernel.ndim != 4 or kernel.shape[1] != 3:
        return tensors
    if channels == 3:
        return tensors
    _LOGGER.info(
        "%s is for RGB images: fitted to %d channels", source, channels
    )
    adapted = input_channels.adapt_kernel(kernel, channels)
    return {**tensors, _PATCHES: adapted}


def _hint(tensors, wanted):
    """What to change if the file is of a model of another size."""
    name = f"{BACKBONE}cls_token"
    theirs = np.shape(tensors.get(name, ()))[-1:]
    (ours,) = (leaf.shape[-1:] for leaf in wanted if leaf.name == name)
    if not theirs or theirs == ours:
        return ""
    return (
        f"its tokens have {theirs[0]} channels, not {ours[0]}: set "
        "--config.model.backbone to the model's own size; "
    )
