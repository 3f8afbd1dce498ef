"""Beginnings of names that wrappers and training code put before all."""

import logging

import numpy as np
import pytest

from ipixmatch_jax.models import registry as model_registry
from ipixmatch_jax.models.segmenter import variable_shapes
from ipixmatch_jax.models.weights import files, load, torch_names
from ipixmatch_jax.models.weights.wrappers import unwrap
from tests import golden

ONE = np.ones(1, np.float32)


@pytest.fixture(scope="module")
def tiny():
    """A network, and its tensors by the reference's names."""
    network = model_registry.build("tiny", 3)
    variables = golden.random_variables(network)
    return network, torch_names.to_torch_names(variables)


@pytest.mark.parametrize(
    "prefix",
    ["_orig_mod.", "model.", "student.", "module._orig_mod.", "model.module."],
)
def test_a_file_is_read_without_them(prefix, tiny, tmp_path, caplog):
    caplog.set_level(logging.INFO, "ipixmatch_jax")
    network, tensors = tiny
    path = tmp_path / "weights.safetensors"
    files.write_tensors(path, {prefix + n: v for n, v in tensors.items()})
    found = load.load_weights(path, variable_shapes(network), whole=True)
    again = torch_names.to_torch_names(found)
    assert again.keys() == tensors.keys()
    for name, value in tensors.items():
        np.testing.assert_array_equal(again[name], value)
    assert f"are read without {prefix} before them" in caplog.text


def test_names_that_some_tensors_lack_stay():
    tensors = {"model.a": ONE, "b.c": ONE}
    assert unwrap(tensors, "FILE") == tensors
    assert unwrap({"model": ONE}, "FILE") == {"model": ONE}
    assert unwrap({}, "FILE") == {}


def test_two_networks_in_one_file_are_not_guessed():
    tensors = {"student.a.b": ONE, "teacher.a.b": ONE}
    with pytest.raises(ValueError) as error:
        unwrap(tensors, "FILE")
    assert str(error.value) == (
        "FILE holds the networks student and teacher side by side: save the "
        "tensors of one of them alone."
    )
