"""The whole network: reference numbers, shapes, exact logits with padding."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.models import registry as model_registry
from ipixmatch_jax.models.backbones.resnet import ResNet
from ipixmatch_jax.models.heads.deeplab import build_deeplab
from ipixmatch_jax.models.segmenter import Segmenter
from ipixmatch_jax.models.weights import load
from tests import golden

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def numbers(reference):
    return np.load(reference / "golden_resnet50.npz")


def _assert_close(actual, expected):
    """Within 1e-3 of the largest logit; expected is NCHW."""
    expected = expected.transpose(0, 2, 3, 1)
    np.testing.assert_allclose(
        actual, expected, rtol=0, atol=1e-3 * np.abs(expected).max()
    )


def test_eval_features_and_logits(numbers):
    network = golden.network()

    @jax.jit
    def forward(variables, x):
        def run(module, x):
            features = module.encode(x, train=False)
            return features, module.decode(features, x.shape[1:3], False)

        return network.apply(variables, x, method=run)

    features, logits = forward(
        golden.variables(), golden.images("x", (2, 3, 65, 65))
    )
    assert logits.dtype == jnp.float32
    _assert_close(logits, numbers["eval_logits"])
    for level, feature in enumerate(features):
        feature = np.asarray(feature)
        stats = feature.mean(), feature.std(), np.abs(feature).max()
        np.testing.assert_allclose(
            stats, numbers[f"eval_c{level + 1}_stats"], rtol=1e-3
        )


def test_an_odd_size_alone_and_padded(numbers):
    network = golden.network()
    odd = golden.images("odd", (1, 3, 61, 92))
    square = golden.images("x", (2, 3, 65, 65))
    forward = jax.jit(
        lambda v, x, sizes: network.apply(v, x, train=False, sizes=sizes)
    )
    variables = jax.device_put(golden.variables())
    _assert_close(forward(variables, odd, None), numbers["eval_logits_odd"])

    # Neither the padding nor an empty slot of the batch may matter.
    padded = np.full((4, 72, 99, 3), 7, np.float32)
    padded[:1, :61, :92] = odd
    padded[1:3, :65, :65] = square
    sizes = np.int32([(61, 92), (65, 65), (65, 65), (0, 0)])
    logits = forward(variables, padded, sizes)
    _assert_close(logits[:1, :61, :92], numbers["eval_logits_odd"])
    _assert_close(logits[1:3, :65, :65], numbers["eval_logits"])
    assert np.all(np.isfinite(logits))


def test_train_logits_and_running_statistics(numbers):
    network = golden.network()
    logits, updates = jax.jit(
        lambda v, x: network.apply(v, x, True, mutable=["batch_stats"])
    )(golden.variables(), golden.images("x", (2, 3, 65, 65)))
    _assert_close(logits, numbers["train_logits"])
    tensors = load.to_torch_names(
        {"params": golden.variables()["params"], **updates}
    )
    updated = [name for name in numbers if name.startswith("upd_")]
    assert len(updated) == 5
    for name in updated:
        expected = numbers[name]
        np.testing.assert_allclose(
            tensors[name.removeprefix("upd_")],
            expected,
            rtol=1e-3,
            atol=1e-4 * np.abs(expected).max(),
        )


@functools.cache
def shapes_of(name, num_classes, output_stride, size):
    """Shapes of a network's features and of its logits for one image."""
    network = model_registry.build(
        name, num_classes, output_stride=output_stride
    )
    image = jnp.zeros((1, *size, 3))

    def run(module):
        features = module.encode(image, train=False)
        return features, module.decode(features, size, False)

    # The weights are the same for either stride.
    like = golden.shapes(model_registry.build(name, num_classes))
    features, logits = jax.eval_shape(
        lambda variables: network.apply(variables, method=run), like
    )
    return [f.shape for f in features], logits.shape


@pytest.mark.parametrize("size", [(65, 65), (321, 321), (513, 513), (61, 92)])
@pytest.mark.parametrize("output_stride", [16, 8])
def test_shapes(size, output_stride):
    features, logits = shapes_of("r50", 21, output_stride, size)

    def at(stride):
        return tuple(-(-n // stride) for n in size)

    assert features == [
        (1, *at(4), 256),
        (1, *at(8), 512),
        (1, *at(output_stride), 1024),
        (1, *at(output_stride), 2048),
    ]
    assert logits == (1, *size, 21)


@pytest.mark.parametrize("output_stride", [16, 8])
def test_r50c4_is_r50_without_layer4(output_stride):
    features, logits = shapes_of("r50c4", 7, output_stride, (61, 92))
    deep = (-(-61 // output_stride), -(-92 // output_stride), 1024)
    assert [shape[1:] for shape in features] == [
        (16, 23, 256),
        (8, 12, 512),
        deep,
    ]
    assert logits == (1, 61, 92, 7)
    like = golden.shapes(
        model_registry.build("r50c4", 7, output_stride=output_stride)
    )
    whole = golden.shapes(model_registry.build("r50", 7))
    for kind in ("params", "batch_stats"):
        expected = {
            name: module
            for name, module in whole[kind]["backbone"].items()
            if not name.startswith("layer4")
        }
        assert like[kind]["backbone"] == expected
    project = like["params"]["head"]["project"]["conv"]["kernel"]
    assert project.shape == (1, 1, 5 * 128, 128)


def test_published_feature_sizes():
    for size, expected in {
        65: (17, 9, 5, 5),
        321: (81, 41, 21, 21),
        513: (129, 65, 33, 33),
    }.items():
        features, _ = shapes_of("r50", 21, 16, (size, size))
        assert tuple(shape[1] for shape in features) == expected


def segmenter(encoder):
    head = build_deeplab(encoder, num_classes=5, dtype=encoder.dtype)
    return Segmenter(encoder, head)


@pytest.mark.parametrize(
    ("stem", "output_stride", "sizes"),
    [
        ("deep", 16, [(33, 47), (40, 1), (17, 50)]),
        ("7x7", 8, [(39, 21), (16, 31)]),
    ],
)
def test_padding_changes_nothing(stem, output_stride, sizes):
    network = segmenter(ResNet((1, 2, 1, 1), 8, stem, output_stride))
    variables = golden.random_variables(network)
    rng = np.random.default_rng(0)
    padded = rng.standard_normal((len(sizes) + 1, 45, 53, 3))
    padded = np.float32(padded)

    @jax.jit
    def run(variables, x, sizes):
        return network.apply(variables, x, False, sizes)

    def forward(x, sizes):
        return np.asarray(run(variables, x, sizes))

    together = forward(padded, np.int32([*sizes, (0, 0)]))
    assert np.all(np.isfinite(together))
    for image, actual, (h, w) in zip(padded, together, sizes, strict=False):
        alone = forward(image[None, :h, :w], None)[0]
        scale = np.abs(alone).max()
        np.testing.assert_allclose(actual[:h, :w], alone, atol=1e-5 * scale)
        assert not np.any(actual[h:]) and not np.any(actual[:, w:])


def test_gradients_in_bfloat16_are_finite_and_float32():
    network = segmenter(ResNet((1, 1, 1, 1), 4, dtype=jnp.bfloat16))
    variables = golden.random_variables(network)
    x = np.random.default_rng(0).standard_normal((2, 33, 33, 3))

    @jax.jit
    def grad(params):
        def loss(params):
            logits, _ = network.apply(
                {**variables, "params": params},
                np.float32(x),
                True,
                mutable=["batch_stats"],
            )
            assert logits.dtype == jnp.float32
            return jnp.square(logits).mean()

        return jax.grad(loss)(params)

    for leaf in jax.tree.leaves(grad(variables["params"])):
        assert leaf.dtype == jnp.float32
        assert np.all(np.isfinite(leaf))


def test_true_sizes_are_refused_in_training():
    network = model_registry.build("tiny", 5)
    with pytest.raises(ValueError, match="sizes is for evaluation"):
        jax.eval_shape(
            lambda v: network.apply(
                v,
                jnp.zeros((1, 33, 33, 3)),
                True,
                jnp.ones((1, 2), jnp.int32),
                mutable=["batch_stats"],
            ),
            golden.shapes(network),
        )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"backbone": "r18"}, "no backbone 'r18': .* r50, r101, tiny"),
        ({"stem": "3x3"}, "model.stem is '3x3'; .* deep, 7x7"),
        ({"output_stride": 32}, "model.output_stride is 32; .* 16, 8"),
    ],
)
def test_unknown_names_list_the_known(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        model_registry.build(
            **{"backbone": "r50", "num_classes": 2, **arguments}
        )


def test_tiny_has_few_parameters():
    shapes = golden.shapes(model_registry.build("tiny", 11))
    count = sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))
    assert 1_000_000 < count < 2_000_000


def test_perturbed_features_share_the_decoders_pass():
    network = model_registry.build("tiny", 3)
    variables = golden.random_variables(network)
    x = jnp.asarray(golden.images("perturbed", (2, 3, 33, 33)))
    apply = functools.partial(network.apply, mutable=["batch_stats"])

    @jax.jit
    def in_turns(variables, x):
        method = Segmenter.clean_and_perturbed
        halve = lambda features: tuple(f / 2 for f in features)  # noqa: E731
        return apply(variables, x, True, halve, method=method)

    @jax.jit
    def in_one_batch(variables, x):
        def decode(network):
            features = network.encode(x, True)
            both = [jnp.concatenate([f, f / 2]) for f in features]
            return network.decode(both, (33, 33), True)

        return apply(variables, method=decode)

    ((clean, *_), (changed, *_)), updated = in_turns(variables, x)
    expected, statistics = in_one_batch(variables, x)
    np.testing.assert_allclose(
        np.concatenate([clean, changed]), expected, rtol=1e-3, atol=1e-4
    )
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6),
        updated,
        statistics,
    )
