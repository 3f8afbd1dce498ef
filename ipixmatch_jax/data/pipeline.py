"""Training batches: samples of a source, shuffled, cropped and stacked.

The step alone determines the batch: element k of `train_batches` depends on the
seed and k, and not on the number of workers or processes.

A batch is `{"labelled": ..., "unlabelled": ...}` with b images each:
  labelled: image uint8 [b,S,S,C], mask uint8 [b,S,S], index int32 [b] (the
    position in the source).
  unlabelled: if the device applies the views: image uint8 [b,S,S,C], valid bool
    [b,S,S], index int32 [b] and what the recipe drew, by default strong_1 and
    strong_2 (batched `weak_strong.StrongView`). If the host applies them: weak,
    strong_1, strong_2, ... float32 [b,S,S,C] on [0, 1], box_1, box_2, ... int32
    [b,4] or [b,K,4], valid, and whatever else the recipe returns.
  bad: {"labelled": int32 [b], "unlabelled": int32 [b]}: for each place the
    position of an image that could not be used there, or -1. The next usable
    image at the order's odd or even places replaces it, so the replacement,
    too, depends only on the seed and k.
"""

import functools
import itertools
import sys
from typing import Any

import grain
import numpy as np

from ipixmatch_jax.data.augment import view_recipes, weak_strong
from ipixmatch_jax.data.source import BadFileError, Source

# This many unusable images in a row mean that something else is wrong.
TRIES = 100


def train_batches(
    labelled: Source,
    unlabelled: Source | None,
    *,
    batch_size: int,
    crop_size: int,
    seed: int,
    recipe: view_recipes.Recipe = view_recipes.STRONG,
    apply_views: str = "device",
    on_error: str = "stop",
    process_index: int = 0,
    process_count: int = 1,
) -> grain.MapDataset:
    """An endless dataset; element k is this process's batch of step k.

    Args:
      labelled: images with masks.
      unlabelled: images without masks; None leaves the key out and changes
        nothing else.
      batch_size: labelled images per step over all processes, and as many
        unlabelled ones.
      crop_size: side of the crops in pixels.
      seed: of order and augmentations, 0 to 2**32 - 1.
      recipe: the views that the method asks for.
      apply_views: "device" or "host", where strong views are computed.
      on_error: what to do with a labelled image whose files cannot be used,
        "stop" or "skip"; unlabelled ones are always skipped.
      process_index: which contiguous block of the global batch this is.
      process_count: into how many blocks the global batch is cut.

    Raises:
      ValueError: the batch does not divide, a source is empty, or `apply_views`
        or `on_error` has another value. Reading an element raises BadFileError
        if a labelled file, or too many unlabelled ones in a row, cannot be
        used.
    """
    _check(batch_size, process_count, unlabelled)
    _check_choice("apply_views", apply_views, ("device", "host"))
    _check_choice("on_error", on_error, ("stop", "skip"))
    block = (batch_size, process_index, process_count)
    skip = on_error == "skip"
    batches = _stream(_Labelled(labelled, crop_size, (seed, 0), skip), block)
    if unlabelled is None:
        return batches.map(_name_labelled)
    crops = _Unlabelled(unlabelled, crop_size, (seed, 1), recipe)
    others = _stream(crops, block)
    both = grain.experimental.ZipMapDataset([batches, others])
    apply = recipe.apply if apply_views == "host" else None
    return both.map(functools.partial(_name_both, apply=apply))


def _stream(crops: "_Crops", block: tuple[int, int, int]) -> grain.MapDataset:
    """Batches of one source; `block` as `_ProcessBlock` takes it."""
    if len(crops.source) == 0:
        raise ValueError("A training list names no images.")
    batch_size, _, process_count = block
    transform_seed = np.random.SeedSequence(crops.seed).generate_state(1)[0]
    elements = _Places().random_map(crops, seed=int(transform_seed))
    elements = _ProcessBlock(elements, *block)
    return elements.batch(batch_size // process_count)


def _check(batch_size, process_count, unlabelled):
    if batch_size < 1 or batch_size % process_count:
        raise ValueError(
            f"train.batch_size is {batch_size}, which does not divide into "
            f"{process_count} processes."
        )
    if unlabelled is not None and batch_size % 2:
        raise ValueError(
            f"train.batch_size is {batch_size}; CutMix pairs neighbours, so "
            "it must be an even number."
        )


def _check_choice(field, value, choices):
    if value not in choices:
        raise ValueError(
            f"data.{field} is {value!r}; it is {' or '.join(choices)}."
        )


@functools.lru_cache(maxsize=16)
def epoch_order(
    seed: tuple[int, int], epoch: int, length: int
) -> tuple[int, ...]:
    """One epoch's permutation of the positions in a source.

    Elements 2i and 2i+1 of the endless sequence are different images. Within
    an epoch they always are. If an epoch ends with the first of a pair and the
    next epoch begins with the same image, the first two images of that epoch
    are exchanged.
    """
    order = np.random.default_rng((*seed, epoch)).permutation(length).tolist()
    if epoch * length % 2 and length > 2:
        last = epoch_order(seed, epoch - 1, length)[-1]
        if order[0] == last:
            order[0], order[1] = order[1], order[0]
    return tuple(order)


class _Places(grain.MapDataset):
    """Places in the endless order: 0, 1, 2, ..."""

    def __len__(self) -> int:
        return sys.maxsize

    def __getitem__(self, index):
        return self.slice(index) if isinstance(index, slice) else index


class _ProcessBlock(grain.MapDataset):
    """One process's contiguous part of every global batch."""

    def __init__(
        self,
        parent: grain.MapDataset,
        batch_size: int,
        process_index: int,
        process_count: int,
    ):
        super().__init__(parent)
        self._batch_size = batch_size
        self._local_size = batch_size // process_count
        self._offset = process_index * self._local_size
        self._length = len(parent) // batch_size * self._local_size

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self.slice(index)
        step, place = divmod(index, self._local_size)
        return self._parent[step * self._batch_size + self._offset + place]


class _Crops(grain.transforms.RandomMap):
    """Crops the image at a place of the endless order.

    Our own order replaces grain's shuffle, whose cost per element grows to
    milliseconds for a labelled list of a few dozen images.
    """

    def __init__(
        self, source: Source, crop_size: int, seed: tuple[int, int], skip: bool
    ):
        self.source = source
        self.seed = seed
        self._crop_size = crop_size
        self._skip = skip

    def _crop(self, place, rng):
        """The crop, and {"index", "bad"} as batches hold them."""
        index, crop, bad = self._usable(place, rng)
        return crop, {"index": np.int32(index), "bad": np.int32(bad)}

    def _usable(self, place: int, rng: np.random.Generator):
        """(position, its crop, position of a bad image or -1).

        Replacements come from every second place, so that the two images of
        a pair, which CutMix pastes into each other, stay different. An image
        becomes its own partner only if two replacements meet at the edge of
        an epoch, or if the list has no other usable image.
        """
        first, partner = self._at(place), self._at(place ^ 1)
        later = map(self._at, range(place + 2, place + 2 * TRIES, 2))
        others = (index for index in later if index != partner)
        for index in itertools.chain([first], others, [partner]):
            try:
                crop = self._read_crop(index, rng)
                return index, crop, -1 if index == first else first
            except BadFileError as error:
                if not self._skip:
                    raise
                last = error
        raise BadFileError(
            f"None of the images at {TRIES} places in a row can be used, "
            f"the last because: {last}"
        )

    def _read_crop(self, index: int, rng: np.random.Generator):
        sample = self.source[index]
        size = sample.image.size[::-1]
        crop = weak_strong.draw_crop(rng, size, self._crop_size)
        return weak_strong.apply_crop(sample, crop, self._crop_size)

    def _at(self, place: int) -> int:
        length = len(self.source)
        epoch, place = divmod(place, length)
        return epoch_order(self.seed, epoch, length)[place]


class _Labelled(_Crops):
    def random_map(self, index, rng):
        (image, mask, _), where = self._crop(index, rng)
        if mask is None:
            raise ValueError(f"{self.source.name(where['index'])} has no mask.")
        return {"image": image, "mask": mask, **where}


class _Unlabelled(_Crops):
    def __init__(
        self,
        source: Source,
        crop_size: int,
        seed: tuple[int, int],
        recipe: view_recipes.Recipe,
    ):
        super().__init__(source, crop_size, seed, skip=True)
        self._recipe = recipe

    def random_map(self, index, rng):
        (image, _, valid), where = self._crop(index, rng)
        drawn = self._recipe.draw(rng, self._crop_size)
        return {"image": image, "valid": valid, **drawn, **where}


def _name_labelled(labelled: dict[str, Any]) -> dict[str, Any]:
    bad = {"labelled": labelled.pop("bad")}
    return {"labelled": labelled, "bad": bad}


def _name_both(pair: tuple, apply) -> dict[str, Any]:
    labelled, unlabelled = pair
    batch = _name_labelled(labelled)
    batch["bad"]["unlabelled"] = unlabelled.pop("bad")
    if apply is not None:
        unlabelled = apply(unlabelled, xp=np)
    return batch | {"unlabelled": unlabelled}
