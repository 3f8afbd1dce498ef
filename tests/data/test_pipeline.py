import jax
import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.data import pipeline, workers
from ipixmatch_jax.data.augment import weak_strong
from ipixmatch_jax.data.registry import open_data
from ipixmatch_jax.data.source import Sample, Source


class Tiny(Source):
    """A source of n images of one colour each."""

    def __init__(self, count, labelled=False):
        self._count = count
        self._labelled = labelled

    def __len__(self):
        return self._count

    def __getitem__(self, i):
        image = Image.new("RGB", (12, 9), (i, 255 - i, 100))
        mask = Image.new("L", (12, 9), i % 3) if self._labelled else None
        return Sample(image, mask)

    def name(self, i):
        return f"{i}.png"

    def size(self, i):
        del i
        return 9, 12


def _batches(labelled=5, unlabelled=7, **changes):
    arguments = {"batch_size": 4, "crop_size": 8, "seed": 3} | changes
    others = None if unlabelled is None else Tiny(unlabelled)
    return pipeline.train_batches(Tiny(labelled, True), others, **arguments)


def _assert_same(a, b):
    leaves, others = jax.tree.leaves(a), jax.tree.leaves(b)
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(leaves, others, strict=True):
        np.testing.assert_array_equal(x, y)


def _take(batches, start, count, num_workers):
    iterator = workers.Batches(batches, start, num_workers)
    try:
        return [next(iterator) for _ in range(count)]
    finally:
        iterator.close()


def test_shapes_and_types_of_a_batch():
    batch = _batches()[0]
    spec = jax.tree.map(lambda x: (x.shape, x.dtype.name), batch)
    strong = weak_strong.StrongView(
        factors=((4, 3), "float32"),
        hue=((4,), "float32"),
        order=((4, 4), "int32"),
        grey=((4,), "bool"),
        sigma=((4,), "float32"),
        box=((4, 4), "int32"),
    )
    assert spec == {
        "labelled": {
            "image": ((4, 8, 8, 3), "uint8"),
            "mask": ((4, 8, 8), "uint8"),
            "index": ((4,), "int32"),
        },
        "unlabelled": {
            "image": ((4, 8, 8, 3), "uint8"),
            "valid": ((4, 8, 8), "bool"),
            "strong_1": strong,
            "strong_2": strong,
            "index": ((4,), "int32"),
        },
        "bad": {
            "labelled": ((4,), "int32"),
            "unlabelled": ((4,), "int32"),
        },
    }


def test_images_masks_and_indices_belong_together():
    for step in range(6):
        batch = _batches()[step]
        part = batch["unlabelled"]
        for i, index in enumerate(part["index"]):
            pixels = part["image"][i][part["valid"][i]]
            assert (pixels == (index, 255 - index, 100)).all()
        part = batch["labelled"]
        for i, index in enumerate(part["index"]):
            inside = part["mask"][i] != 255
            assert inside.any()
            assert (part["mask"][i][inside] == index % 3).all()
            assert (part["image"][i][inside][:, 0] == index).all()


def test_every_epoch_covers_every_image_once_in_a_new_order():
    batches = _batches(unlabelled=7)
    indices = np.concatenate(
        [batches[k]["unlabelled"]["index"] for k in range(7 * 3)]
    )
    epochs = indices.reshape(-1, 7)
    assert (np.sort(epochs, 1) == np.arange(7)).all()
    assert len(np.unique(epochs, axis=0)) > 6


def test_each_epoch_draws_its_own_crops():
    batches = _batches(unlabelled=4)
    views_of_0 = []
    for k in range(6):
        part = batches[k]["unlabelled"]
        at = part["index"].tolist().index(0)
        views_of_0.append(part["strong_1"].box[at].tolist())
        views_of_0.append(part["strong_2"].box[at].tolist())
    drawn = {tuple(box) for box in views_of_0 if any(box)}
    assert len(drawn) == sum(any(box) for box in views_of_0) > 2


@pytest.mark.parametrize("count", [2, 3, 5, 7])
def test_neighbours_are_different_images(count):
    order = []
    for epoch in range(400):
        order += pipeline.epoch_order((0, 1), epoch, count)
    pairs = np.array(order[: len(order) // 2 * 2]).reshape(-1, 2)
    assert (pairs[:, 0] != pairs[:, 1]).all()


def test_order_is_not_biased():
    first = [pipeline.epoch_order((0, 1), 2 * e, 5)[0] for e in range(2000)]
    shares = np.bincount(first, minlength=5) / 2000
    np.testing.assert_allclose(shares, 0.2, atol=0.03)


def test_resume_gives_exactly_the_remaining_batches():
    batches = _batches()
    for start in (0, 5):
        taken = _take(batches, start, 8 - start, 0)
        for k, batch in enumerate(taken):
            _assert_same(batch, batches[start + k])


def test_two_workers_give_the_same_batches_as_none():
    batches = _batches()
    for a, b in zip(
        _take(batches, 3, 5, 0), _take(batches, 3, 5, 2), strict=True
    ):
        _assert_same(a, b)


# With a batch of 6, a pair of images lies in both processes.
@pytest.mark.parametrize("size", [4, 6])
def test_processes_take_contiguous_blocks_of_the_same_batch(size):
    whole = _batches(batch_size=size)
    halves = [
        _batches(batch_size=size, process_index=p, process_count=2)
        for p in (0, 1)
    ]
    for k in range(5):
        both = [half[k] for half in halves]
        joined = jax.tree.map(lambda *x: np.concatenate(x), *both)
        _assert_same(joined, whole[k])


def test_labelled_batches_do_not_depend_on_unlabelled_ones():
    for k in (0, 4):
        alone = _batches(unlabelled=None)[k]
        assert set(alone) == {"labelled", "bad"}
        _assert_same(alone["labelled"], _batches()[k]["labelled"])
        _assert_same(alone["labelled"], _batches(unlabelled=3)[k]["labelled"])


def test_streams_and_seeds_differ():
    a, b = _batches(7, 7)[0], _batches(7, 7, seed=4)[0]
    assert a["labelled"]["index"].tolist() != a["unlabelled"]["index"].tolist()
    assert a["labelled"]["index"].tolist() != b["labelled"]["index"].tolist()
    strong = a["unlabelled"]
    assert (strong["strong_1"].sigma != strong["strong_2"].sigma).any()


def test_host_views_are_the_device_views_applied():
    host, device = _batches(apply_views="host")[2], _batches()[2]
    _assert_same(host["labelled"], device["labelled"])
    _assert_same(
        host["unlabelled"],
        weak_strong.apply_strong_views(device["unlabelled"], np),
    )


def test_sizes_that_do_not_divide_are_refused():
    for sizes, message in (
        ({"batch_size": 5, "process_count": 2}, "5, which does not divide"),
        ({"batch_size": 3, "process_count": 3}, "3; CutMix pairs neighbours"),
        ({"batch_size": 0}, "0, which"),
        ({"apply_views": "both"}, "'both'; it is device or host"),
    ):
        with pytest.raises(ValueError, match=message):
            _batches(**sizes)
    with pytest.raises(ValueError, match="names no images"):
        _batches(labelled=0)
    assert len(_batches(unlabelled=None, batch_size=3)[0]["labelled"]["index"])


def test_camvid_batch(camvid):
    data = open_data("camvid", str(camvid), "", "1_8")
    batch = pipeline.train_batches(
        data.labelled, data.unlabelled, batch_size=4, crop_size=193, seed=0
    )[11]
    mask = batch["labelled"]["mask"]
    assert set(np.unique(mask)) <= {*range(11), 255}
    assert (mask != 255).mean() > 0.5
    assert batch["unlabelled"]["image"].std() > 20


def test_voc_batch(voc_mini, tmp_path):
    (tmp_path / "1_2").mkdir()
    names = (voc_mini / "ImageSets/Segmentation/train.txt").read_text().split()
    lines = [f"JPEGImages/{n}.jpg SegmentationClass/{n}.png" for n in names]
    for path, part in (
        ("1_2/labeled.txt", lines[:10]),
        ("1_2/unlabeled.txt", lines[10:]),
        ("val.txt", lines),
    ):
        (tmp_path / path).write_text("\n".join(part))
    data = open_data("voc", str(voc_mini), str(tmp_path), "1_2")
    batch = pipeline.train_batches(
        data.labelled, data.unlabelled, batch_size=2, crop_size=321, seed=1
    )[0]
    mask = batch["labelled"]["mask"]
    assert set(np.unique(mask)) <= {*range(21), 255}
    assert batch["labelled"]["image"].shape == (2, 321, 321, 3)
