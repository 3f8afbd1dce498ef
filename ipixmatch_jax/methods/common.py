"""Forward passes, losses and metrics that several methods share."""

import functools

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh

from ipixmatch_jax.distributed.neighbours import swap_neighbours
from ipixmatch_jax.losses import cross_entropy
from ipixmatch_jax.methods import pseudo_labels
from ipixmatch_jax.methods.base import (
    Consistency,
    Forward,
    NetworkOutput,
    Perturb,
    Variables,
)
from ipixmatch_jax.models.layers.area_average import most_of_area


def cutmix(x: Array, box: Array, mesh: Mesh | None) -> Array:
    """CutMix with the neighbour in the batch.

    Args:
      x: see pseudo_labels.paste_boxes.
      box: see pseudo_labels.paste_boxes.
      mesh: of the devices that hold the batch, `Views.mesh`.

    Returns:
      as x.
    """
    return pseudo_labels.paste_boxes(x, swap_neighbours(x, mesh), box)


def cutmix_output(
    output: NetworkOutput, box: Array, mesh: Mesh | None
) -> NetworkOutput:
    """`cutmix` of an output of the network."""
    return paste_output(output, swap_output(output, mesh), box)


def swap_output(output: NetworkOutput, mesh: Mesh | None) -> NetworkOutput:
    """The outputs of the neighbours, see swap_neighbours."""
    swap = functools.partial(swap_neighbours, mesh=mesh)
    return jax.tree.map(swap, output)


def paste_output(
    output: NetworkOutput, partner: NetworkOutput, box: Array
) -> NetworkOutput:
    """CutMix of outputs: replaces them inside the boxes by the partner's.

    A cell of a coarser map is replaced where the boxes cover at least half of
    the pixels under it (ours).

    Args:
      output: of the images.
      partner: of what is pasted.
      box: in pixels, as of pseudo_labels.paste_boxes.
    """
    logits = pseudo_labels.paste_boxes(output.logits, partner.logits, box)

    def paste(own: Array | None, other: Array | None) -> Array | None:
        if own is None or other is None:
            return None
        inside = pseudo_labels.inside_boxes(box, logits.shape[1:3])
        inside = most_of_area(inside, own.shape[1:3])
        return jnp.where(inside[..., None], other, own)

    return NetworkOutput(logits, *map(paste, output[1:], partner[1:]))


def interleave(*batches: Array) -> Array:
    """Interleaves N batches [B, ...] into one [N * B, ...].

    The order is image 0 of every batch, image 1 of every batch, and so on.
    Concatenating sharded batches would move images between devices; the
    interleaved order leaves each image on its device, and batch norm sees the
    same set of images either way.
    """
    stacked = jnp.stack(batches, 1)
    return stacked.reshape(-1, *stacked.shape[2:])


def deinterleave(x: Array, count: int) -> list[Array]:
    """The `count` batches that `interleave` put together."""
    turns = x.reshape(-1, count, *x.shape[1:])
    return [turns[:, i] for i in range(count)]


def forward_two(
    forward: Forward, variables: Variables, first: Array, second: Array
) -> tuple[NetworkOutput, NetworkOutput, dict]:
    """Runs the network in train mode on two batches at once.

    Returns:
      outputs of the first, of the second, and the new batch statistics.
    """
    output, batch_stats = forward(variables, interleave(first, second), True)
    return *split_output(output), batch_stats


def split_output(output: NetworkOutput) -> list[NetworkOutput]:
    """The outputs of two batches that were interleaved."""
    leaves, structure = jax.tree.flatten(output)
    halves = zip(*(deinterleave(x, 2) for x in leaves), strict=True)
    return [jax.tree.unflatten(structure, half) for half in halves]


def forward_two_perturbed(
    forward: Forward,
    variables: Variables,
    first: Array,
    second: Array,
    perturb: Perturb,
) -> tuple[NetworkOutput, NetworkOutput, NetworkOutput, dict]:
    """Runs the network in train mode on two batches and on perturbed copies.

    The decoder sees the clean and the perturbed features of both batches at
    once (UniMatch v1). The perturbed output of the first batch is dropped.

    Returns:
      outputs of the first, of the second, of the second perturbed, and the
      new batch statistics.
    """
    (clean, perturbed), batch_stats = forward(
        variables, interleave(first, second), True, perturb
    )
    _, perturbed = split_output(perturbed)
    return *split_output(clean), perturbed, batch_stats


def hard_label_loss(pair: Consistency, threshold: float) -> Array:
    """Cross entropy with the teacher's classes where it is confident.

    The sum is divided by the number of all valid pixels (UniMatch v1).

    Args:
      pair: the student's and the teacher's outputs.
      threshold: least probability of a label that counts.

    Returns:
      float32 scalar.
    """
    confidence, labels = pseudo_labels.confidence_and_labels(
        pair.teacher.logits
    )
    return cross_entropy.masked_cross_entropy(
        pair.student.logits, labels, confidence >= threshold, pair.valid
    )


def confident_shares(
    weak: Array, valid: Array, threshold: float
) -> dict[str, Array]:
    """How many pixels get a confident label, overall and class by class.

    Args:
      weak: float32 [B, H, W, K], the logits that give the labels.
      valid: bool [B, H, W], False on padding.
      threshold: least probability of a confident label.

    Returns:
      metrics: the share of valid pixels that are confident, float32 scalar;
      and two float32 [K], by class: the confident share of the pixels with
      that label, and the share of valid pixels with that label.
    """
    confidence, labels = pseudo_labels.confidence_and_labels(weak)
    sure = (confidence >= threshold) & valid
    given = (labels[..., None] == jnp.arange(weak.shape[-1])) & valid[..., None]
    by_class = jnp.sum(given & sure[..., None], (0, 1, 2))
    total = jnp.sum(given, (0, 1, 2))
    return {
        "confident_share": sure.sum() / jnp.maximum(valid.sum(), 1),
        "confident_share_by_class": by_class / jnp.maximum(total, 1),
        "pseudo_label_share_by_class": total / jnp.maximum(valid.sum(), 1),
    }
