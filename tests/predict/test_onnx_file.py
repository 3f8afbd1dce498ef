"""The ONNX file in onnxruntime, which knows nothing of our package."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.evaluate.evaluator import normalise_images
from ipixmatch_jax.models import registry as model_registry
from ipixmatch_jax.predict import onnx_file
from tests import golden, golden_v2
from tests.models.backbones.shallow import shallow

pytestmark = pytest.mark.slow

NAMES = ("sky", "straße", "car")
PALETTE = ((0, 0, 0), (1, 2, 3), (255, 0, 7))


def resnet():
    """A small ResNet with DeepLabV3+, and numbers measured on its data."""
    numbers = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.1)}
    return model_registry.build("tiny", 3, **numbers)


def transformer():
    """DINOv2 of four blocks, with DPT."""
    return golden_v2.with_dpt(shallow(), 3)


@pytest.fixture(scope="module", params=[resnet, transformer])
def made(request, tmp_path_factory):
    """A network, its variables, and a session of its file."""
    for package in onnx_file.PACKAGES:
        pytest.importorskip(package)
    import onnxruntime

    network = request.param()
    variables = golden.random_variables(network, side=32)
    to = tmp_path_factory.mktemp("onnx") / "new" / "model.onnx"
    difference = onnx_file.write_onnx(
        to,
        network,
        variables,
        size=(36, 44),
        class_names=NAMES,
        palette=PALETTE,
        value_range=(0, 4000),
    )
    assert difference <= 1e-4
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(to, providers=providers)
    return network, variables, session


def test_it_gives_the_probabilities_of_the_network(made):
    network, variables, session = made
    shape = (3, 36, 44, network.channels)
    images = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    forward = jax.jit(lambda v, x: network.apply(v, x, False))
    logits = forward(variables, normalise_images(network, images))
    expected = np.asarray(jax.nn.softmax(logits))
    assert expected.std() > 0.01
    for batch in (1, 3):
        few = images[:batch]
        (found,) = session.run(["probabilities"], {"images": few})
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected[:batch], atol=1e-4, rtol=0)


def test_jax_is_as_it_was(made):
    counts = jnp.ones((2, 3)).cumsum(-1)
    np.testing.assert_array_equal(jnp.cumsum(jnp.ones((2, 3)), -1), counts)
    assert jnp.cumsum.__module__.startswith("jax")
    assert not jnp.cumsum.__module__.startswith("jax2onnx")


def test_its_metadata_say_what_it_holds(made):
    network, _, session = made
    (images,) = session.get_inputs()
    assert images.shape == ["batch", 36, 44, network.channels]
    (found,) = session.get_outputs()
    assert found.shape[1:] == [36, 44, 3]
    texts = session.get_modelmeta().custom_metadata_map
    assert json.loads(texts["class_names"]) == list(NAMES)
    assert json.loads(texts["palette"]) == [list(c) for c in PALETTE]
    about = json.loads(texts["preprocessing"])
    assert about["range"] == [0, 4000]
    assert about["mean"] == list(network.mean or (0.485, 0.456, 0.406))
    assert about["images"].startswith("uint8 [batch, 36, 44, ")


@pytest.mark.parametrize(
    ("equation", "expected"),
    [
        ("abcd,de->abce", True),
        ("ab,bc->ac", True),
        ("Hh,bhwc->bHwc", False),
        ("abc,dc->abd", False),
        ("abc,cd->adb", False),
        ("ab,b->a", False),
    ],
)
def test_which_einsums_are_matrix_products(equation, expected):
    assert onnx_file._is_product(equation) == expected


def test_a_file_that_differs_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_file, "_convert", lambda *_: b"")
    monkeypatch.setattr(onnx_file, "_compare", lambda *_: np.full(9, np.nan))
    to = tmp_path / "model.onnx"
    with pytest.raises(ValueError, match=r"model\.onnx was not written"):
        onnx_file.write_onnx(
            to,
            resnet(),
            {},
            size=(36, 44),
            class_names=NAMES,
            palette=PALETTE,
        )
    assert not list(tmp_path.iterdir())
