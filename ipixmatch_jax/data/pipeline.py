"""Training batches: a source's samples, shuffled, cropped and stacked.

The position in the data is the step: element k of `train_batches` is a pure
function of the seed and k, whatever the number of workers and processes.

A batch is `{"labelled": ..., "unlabelled": ...}` with b images each:
  labelled: image uint8 [b,S,S,3], mask uint8 [b,S,S], index int32 [b] (the
    position in the source).
  unlabelled: image uint8 [b,S,S,3], valid bool [b,S,S], strong_1, strong_2
    (batched `views.StrongView`), index int32 [b]. This is the form for views
    that are applied on device; on the host, `views.apply` has turned it into
    weak, strong_1, strong_2 float32 [b,S,S,3] on [0, 1], box_1, box_2
    int32 [b,4] and valid.
"""

import functools
import sys
from typing import Any

import grain
import numpy as np

from ipixmatch_jax.data import views
from ipixmatch_jax.data.sample import Source


def train_batches(
    labelled: Source,
    unlabelled: Source | None,
    *,
    batch_size: int,
    crop_size: int,
    seed: int,
    apply_views: str = "device",
    process_index: int = 0,
    process_count: int = 1,
) -> grain.MapDataset:
    """An endless dataset; element k is this process's batch of step k.

    Args:
      labelled: images with masks.
      unlabelled: images without; None leaves the key out and changes
        nothing else.
      batch_size: labelled images per step over all processes, and as many
        unlabelled ones.
      crop_size: side of the crops in pixels.
      seed: of order and augmentations, 0 to 2**32 - 1.
      apply_views: "device" or "host", where strong views are computed.
      process_index: which contiguous block of the global batch this is.
      process_count: into how many blocks the global batch is cut.

    Raises:
      ValueError: sizes that do not divide, an empty source, another
        `apply_views`.
    """
    _check(batch_size, process_count, apply_views, unlabelled)
    block = (batch_size, process_index, process_count)
    batches = _stream(_Labelled(labelled, crop_size), (seed, 0), block)
    if unlabelled is None:
        return batches.map(_name_labelled)
    others = _stream(_Unlabelled(unlabelled, crop_size), (seed, 1), block)
    if apply_views == "host":
        others = others.map(_apply_on_host)
    both = grain.experimental.ZipMapDataset([batches, others])
    return both.map(_name_both)


def _stream(
    crops: "_Crops", seed: tuple[int, int], block: tuple[int, int, int]
) -> grain.MapDataset:
    """Batches of one source; `block` as `_ProcessBlock` takes it."""
    if len(crops.source) == 0:
        raise ValueError("A training list names no images.")
    batch_size, _, process_count = block
    order = _Order(len(crops.source), seed)
    transform_seed = np.random.SeedSequence(seed).generate_state(1)[0]
    elements = order.random_map(crops, seed=int(transform_seed))
    elements = _ProcessBlock(elements, *block)
    return elements.batch(batch_size // process_count)


def iterate(
    batches: grain.MapDataset, start_step: int, num_workers: int
) -> grain.DatasetIterator:
    """Iterates from a step on; close it with `.close()`.

    Args:
      batches: of `train_batches`.
      start_step: the first batch, so that a resumed run goes on exactly.
      num_workers: processes that read ahead; 0 reads ahead in threads.
    """
    threads = 4 if num_workers == 0 else 1
    ahead = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads)
    dataset = batches[start_step:].to_iter_dataset(ahead)
    if num_workers:
        dataset = dataset.mp_prefetch(
            grain.MultiprocessingOptions(
                num_workers=num_workers, per_worker_buffer_size=2
            )
        )
    return iter(dataset)


def _check(batch_size, process_count, apply_views, unlabelled):
    if batch_size < 1 or batch_size % process_count:
        raise ValueError(
            f"train.batch_size is {batch_size}, which does not divide into "
            f"{process_count} processes."
        )
    local = batch_size // process_count
    if unlabelled is not None and local % 2:
        raise ValueError(
            f"train.batch_size gives {local} unlabelled images to each of "
            f"{process_count} processes; CutMix pairs neighbours, so it must "
            "be an even number."
        )
    if apply_views not in ("device", "host"):
        raise ValueError(
            f"data.apply_views is {apply_views!r}; it is device or host."
        )


@functools.lru_cache(maxsize=16)
def epoch_order(
    seed: tuple[int, int], epoch: int, length: int
) -> tuple[int, ...]:
    """One epoch's permutation of the positions in a source.

    Elements 2i and 2i+1 of the endless sequence are different images: within
    an epoch they are anyway, and where an epoch ends on the first of a pair
    and the next one begins with the same image, the first two images of the
    next epoch change places.
    """
    order = np.random.default_rng((*seed, epoch)).permutation(length).tolist()
    if epoch * length % 2 and length > 2:
        last = epoch_order(seed, epoch - 1, length)[-1]
        if order[0] == last:
            order[0], order[1] = order[1], order[0]
    return tuple(order)


class _Order(grain.MapDataset):
    """Positions in a source, epoch after epoch without end.

    Takes the place of grain's shuffle, whose cost per element grows to
    milliseconds for the few dozen images of a small labelled list.
    """

    def __init__(self, length: int, seed: tuple[int, int]):
        super().__init__()
        self._epoch_length = length
        self._seed = seed

    def __len__(self) -> int:
        return sys.maxsize

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self.slice(index)
        epoch, place = divmod(index, self._epoch_length)
        return epoch_order(self._seed, epoch, self._epoch_length)[place]


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
    def __init__(self, source: Source, crop_size: int):
        self.source = source
        self._crop_size = crop_size

    def _crop(self, index, rng):
        sample = self.source[index]
        size = sample.image.size[::-1]
        crop = views.draw_crop(rng, size, self._crop_size)
        return views.apply_crop(sample, crop, self._crop_size)


class _Labelled(_Crops):
    def random_map(self, index, rng):
        image, mask, _ = self._crop(index, rng)
        if mask is None:
            raise ValueError(f"{self.source.name(index)} has no mask.")
        return {"image": image, "mask": mask, "index": np.int32(index)}


class _Unlabelled(_Crops):
    def random_map(self, index, rng):
        image, _, valid = self._crop(index, rng)
        return {
            "image": image,
            "valid": valid,
            "strong_1": views.draw_strong(rng, self._crop_size),
            "strong_2": views.draw_strong(rng, self._crop_size),
            "index": np.int32(index),
        }


def _apply_on_host(unlabelled: dict[str, Any]) -> dict[str, Any]:
    return views.apply(unlabelled, np)


def _name_labelled(labelled: dict[str, Any]) -> dict[str, Any]:
    return {"labelled": labelled}


def _name_both(pair: tuple) -> dict[str, Any]:
    labelled, unlabelled = pair
    return {"labelled": labelled, "unlabelled": unlabelled}
