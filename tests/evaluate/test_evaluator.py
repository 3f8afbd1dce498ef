"""Evaluation modes against the reference; every image counts once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from PIL import Image

from ipixmatch_jax.data.source import Sample
from ipixmatch_jax.evaluate import evaluator, image_batches, metrics
from ipixmatch_jax.models import registry as model_registry
from tests import golden

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def numbers(reference):
    return np.load(reference / "golden_resnet50.npz")


@pytest.fixture(scope="module")
def street():
    """The normalised golden image, [90, 151, 3]."""
    return golden.images("ev_img", (1, 3, 90, 151))[0]


def _scores(predictions, labels, num_classes=19):
    confusion = metrics.confusion_matrix(
        predictions[None], labels[None], num_classes
    )
    return [metrics.mean_iou(confusion), *metrics.iou_by_class(confusion)]


def test_original_and_center_crop_in_one_padded_batch(numbers, street):
    box = image_batches.center_box(90, 151, 65)
    assert box == (12, 43, 77, 108)
    crop = street[12:77, 43:108]
    batch = np.zeros((2, 97, 160, 3), np.float32)
    batch[0, :90, :151] = street
    batch[1, :65, :65] = crop
    sizes = np.int32([(90, 151), (65, 65)])
    network = golden.network(19)
    logits = jax.jit(lambda v, x, s: evaluator.class_scores(network, v, x, s))(
        golden.variables(19), batch, sizes
    )
    predictions = np.argmax(logits, -1)
    labels = numbers["ev_gt"][0]
    np.testing.assert_allclose(
        _scores(predictions[0, :90, :151], labels),
        numbers["eval_original"],
        atol=0.02,
    )
    np.testing.assert_allclose(
        _scores(predictions[1, :65, :65], labels[12:77, 43:108]),
        numbers["eval_center_crop"],
        atol=0.05,
    )


def test_sliding_window(numbers, street):
    batch = np.zeros((1, 92, 155, 3), np.float32)
    batch[0, :90, :151] = street
    network = golden.network(19)
    scores = jax.jit(
        lambda v, x, s: evaluator.class_scores(network, v, x, s, window=65)
    )(golden.variables(19), batch, np.int32([(90, 151)]))
    predictions = np.argmax(scores[0, :90, :151], -1)
    np.testing.assert_allclose(
        _scores(predictions, numbers["ev_gt"][0]),
        numbers["eval_sliding_window"],
        atol=0.02,
    )


def test_cityscapes_has_eight_windows():
    assert evaluator.window_starts(1024, 801) == [0, 534]
    assert evaluator.window_starts(2048, 801) == [0, 534, 1068, 1602]


class Drawings:
    """A source of images of several sizes whose red channel is the class."""

    SIZES = ((20, 31), (33, 17), (8, 9), (20, 31), (40, 40), (21, 30))

    def __init__(self, count):
        self.count = count
        self.read = []

    def __len__(self):
        return self.count

    def size(self, i):
        return self.SIZES[i % len(self.SIZES)]

    def name(self, i):
        return f"{i}.png"

    def arrays(self, i):
        rng = np.random.default_rng(i)
        labels = rng.choice([0, 1, 2, 255], self.size(i)).astype(np.uint8)
        image = np.repeat(rng.integers(0, 3, self.size(i))[..., None], 3, -1)
        return image.astype(np.uint8), labels

    def __getitem__(self, i):
        self.read.append(i)
        image, labels = self.arrays(i)
        return Sample(Image.fromarray(image), Image.fromarray(labels))


class Copying:
    """A network that reads the class off the red channel, shifted."""

    num_classes = 3
    channels, mean, std = 3, None, None
    exact_when_padded = True

    def __init__(self):
        self.traces = 0

    def apply(self, variables, x, train, sizes=None):
        assert not train
        self.traces += 1
        red = jnp.round((x[..., 0] * 0.229 + 0.485) * 255).astype(jnp.int32)
        return jax.nn.one_hot((red + variables["shift"]) % 3, 3) * 4


def _expected(source, shift, crop=None):
    confusion = np.zeros((3, 3), int)
    for i in range(len(source)):
        image, labels = source.arrays(i)
        if crop is not None:
            top, left, bottom, right = image_batches.center_box(
                *labels.shape, crop
            )
            image = image[top:bottom, left:right]
            labels = labels[top:bottom, left:right]
        keep = labels != 255
        pairs = (labels[keep], (image[..., 0][keep].astype(int) + shift) % 3)
        np.add.at(confusion, pairs, 1)
    return confusion


@pytest.mark.parametrize("mode", evaluator.MODES)
@pytest.mark.parametrize("mesh_shape", [None, (4, 2)])
def test_every_image_counts_once_for_every_network(mode, mesh_shape):
    mesh = None
    if mesh_shape is not None:
        mesh = jax.make_mesh(
            mesh_shape, ("data", "fsdp"), axis_types=(AxisType.Auto,) * 2
        )
    network, source = Copying(), Drawings(23)
    score = evaluator.make_evaluator(
        network,
        mode=mode,
        crop_size=16,
        num_classes=3,
        batch_size=8 if mesh else 5,
        mesh=mesh,
    )
    variables = {"student": {"shift": 0}, "teacher": {"shift": 1}}
    seen = []
    results = score(variables, source, on_batch=lambda *done: seen.append(done))
    crop = 16 if mode == "center_crop" else None
    for name, shift in (("student", 0), ("teacher", 1)):
        assert results[name].dtype == np.int64
        np.testing.assert_array_equal(
            results[name], _expected(source, shift, crop)
        )
    assert sorted(source.read) == list(range(23))
    assert seen[-1] == (23, 23)

    # A second evaluation, with other weights, compiles nothing.
    traces = network.traces
    results = score({"student": {"shift": 2}}, source)
    np.testing.assert_array_equal(
        results["student"], _expected(source, 2, crop)
    )
    assert network.traces == traces


@pytest.mark.parametrize("mode", ["original", "center_crop"])
def test_many_sizes_compile_at_most_eight_times(mode):
    class ManySizes(Drawings):
        def size(self, i):
            return 10 + i % 37, 10 + (i * 7) % 41

    network, source = Copying(), ManySizes(80)
    score = evaluator.make_evaluator(
        network, mode=mode, crop_size=30, num_classes=3, batch_size=4
    )
    results = score({"student": {"shift": 0}}, source)
    crop = 30 if mode == "center_crop" else None
    np.testing.assert_array_equal(
        results["student"], _expected(source, 0, crop)
    )
    assert 1 < network.traces <= 8


def test_it_stops_between_batches():
    source = Drawings(12)
    score = evaluator.make_evaluator(
        Copying(), mode="original", crop_size=9, num_classes=3, batch_size=2
    )
    answers = iter([False, True])
    variables = {"student": {"shift": 0}}
    seen = []
    stopped = score(
        variables,
        source,
        on_batch=lambda *done: seen.append(done),
        should_stop=lambda: next(answers),
    )
    assert stopped is None
    assert seen == []  # the first batch ran, and nobody asked for its result


def test_the_order_of_the_files_changes_nothing():
    class Shuffled(Drawings):
        ORDER = np.random.default_rng(1).permutation(23)

        def size(self, i):
            return Drawings(23).size(self.ORDER[i])

        def __getitem__(self, i):
            return Drawings(23)[self.ORDER[i]]

    score = evaluator.make_evaluator(
        Copying(), mode="original", crop_size=9, num_classes=3, batch_size=5
    )
    variables = {"student": {"shift": 1}}
    results = [score(variables, kind(23)) for kind in (Drawings, Shuffled)]
    for result in results:
        np.testing.assert_array_equal(
            result["student"], _expected(Drawings(23), 1)
        )


def test_predict_returns_classes_and_their_probability():
    network = model_registry.build("tiny", 3)
    variables = golden.random_variables(network)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 40, 33, 3), np.uint8)
    sizes = np.int32([(40, 33), (25, 20)])
    ids, confidence = evaluator.predict_classes(
        network, variables, images, sizes
    )
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    forward = jax.jit(lambda v, x: network.apply(v, x[None], False)[0])
    for i, (h, w) in enumerate(sizes):
        x = np.float32((images[i, :h, :w] / 255 - mean) / std)
        logits = np.float64(forward(variables, x))
        shares = np.exp(logits - logits.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        np.testing.assert_allclose(
            confidence[i, :h, :w], shares.max(-1), atol=1e-4
        )
        assert ids.dtype == jnp.int32
        agree = ids[i, :h, :w] == logits.argmax(-1)
        assert agree.mean() > 0.999


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"mode": "whole"}, "choose one of: original, center_crop"),
        ({"batch_size": 6}, "make it a multiple of 8"),
    ],
)
def test_wrong_settings_are_answered_with_the_right_ones(arguments, sentence):
    mesh = jax.make_mesh(
        (8, 1), ("data", "fsdp"), axis_types=(AxisType.Auto,) * 2
    )
    settings = {"mode": "original", "batch_size": 8, **arguments}
    with pytest.raises(ValueError, match=sentence):
        evaluator.make_evaluator(
            Copying(), crop_size=9, num_classes=3, mesh=mesh, **settings
        )


def test_an_image_without_mask_is_named():
    class Unlabelled(Drawings):
        def __getitem__(self, i):
            return super().__getitem__(i)._replace(mask=None)

    score = evaluator.make_evaluator(
        Copying(), mode="original", crop_size=9, num_classes=3, batch_size=2
    )
    with pytest.raises(ValueError, match=r"0\.png has no mask"):
        score({"student": {"shift": 0}}, Unlabelled(1))
