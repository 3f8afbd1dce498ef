"""DINOv2's tensors under the names of Meta, Hugging Face and timm."""

import ml_dtypes
import numpy as np
import pytest

from ipixmatch_jax.models.backbones.dinov2 import build_dinov2
from ipixmatch_jax.models.weights import dinov2_names, layouts, vit_names
from tests import golden_v2

pytestmark = pytest.mark.slow

# Parameters of the published models. Those of "small" and "base" were counted
# on the models themselves; the rest follow from widths and depths.
COUNTS = {
    "small": 22_056_576,
    "base": 86_580_480,
    "large": 304_368_640,
    "giant": 1_136_480_768,
}


def shaped(size, registers=False):
    """Shapes of a model's tensors by Meta's names, and its params' shapes."""
    like = golden_v2.shapes(build_dinov2(size, registers=registers), 28)
    leaves = vit_names.encoder_leaves(like["params"])
    return {leaf.name: leaf.shape for leaf in leaves}, like["params"]


def of_shapes(shapes):
    """Arrays of zeros that take no memory."""
    return {n: np.broadcast_to(np.float32(0), s) for n, s in shapes.items()}


def by_rule(size, registers):
    """Meta's names and shapes, written out from the paper's table."""
    width, depth, hidden = {
        "small": (384, 12, 1536),
        "base": (768, 12, 3072),
        "large": (1024, 24, 4096),
        "giant": (1536, 40, 4096),
    }[size]
    linear = {"attn.qkv": (3 * width, width), "attn.proj": (width, width)}
    if size == "giant":
        linear["mlp.w12"] = (2 * hidden, width)
        linear["mlp.w3"] = (width, hidden)
    else:
        linear["mlp.fc1"] = (hidden, width)
        linear["mlp.fc2"] = (width, hidden)
    shapes = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, 1370, width),
        "mask_token": (1, width),
        "patch_embed.proj.weight": (width, 3, 14, 14),
        "patch_embed.proj.bias": (width,),
        "norm.weight": (width,),
        "norm.bias": (width,),
    }
    if registers:
        shapes["register_tokens"] = (1, 4, width)
    for i in range(depth):
        for name, shape in linear.items():
            shapes[f"blocks.{i}.{name}.weight"] = shape
            shapes[f"blocks.{i}.{name}.bias"] = shape[:1]
        for name in ("norm1.weight", "norm1.bias", "norm2.weight"):
            shapes[f"blocks.{i}.{name}"] = (width,)
        for name in ("norm2.bias", "ls1.gamma", "ls2.gamma"):
            shapes[f"blocks.{i}.{name}"] = (width,)
    return shapes


@pytest.mark.parametrize("registers", [False, True])
@pytest.mark.parametrize("size", COUNTS)
def test_names_shapes_and_counts_by_the_rule(size, registers):
    shapes, _ = shaped(size, registers)
    assert shapes == by_rule(size, registers)
    width = shapes["norm.weight"][0]
    count = sum(np.prod(shape) for shape in shapes.values())
    assert count == COUNTS[size] + 4 * width * registers


def test_the_three_published_lists(reference):
    shapes, _ = shaped("small")
    expected = golden_v2.keys(reference, "dinov2_small_keys_meta.txt")
    assert shapes == expected
    zeros = of_shapes(shapes)
    for convert, name in (
        (dinov2_names.to_hugging_face, "dinov2_small_keys_hf.txt"),
        (dinov2_names.to_timm, "dinov2_small_keys_timm.txt"),
    ):
        theirs = golden_v2.keys(reference, name)
        converted = convert(zeros)
        assert {n: v.shape for n, v in converted.items()} == theirs


def test_hugging_faces_matrices_are_joined_query_key_value(reference):
    shapes = golden_v2.keys(reference, "dinov2_small_keys_hf.txt")
    theirs = {n: golden_v2.tensor(n, s) for n, s in shapes.items()}
    ours = dinov2_names.translate(theirs, "a file")
    begin = "encoder.layer.7.attention.attention."
    for row, part in enumerate(("query", "key", "value")):
        rows = slice(384 * row, 384 * (row + 1))
        for leaf in ("weight", "bias"):
            np.testing.assert_array_equal(
                ours[f"blocks.7.attn.qkv.{leaf}"][rows],
                theirs[f"{begin}{part}.{leaf}"],
            )
    back = dinov2_names.to_hugging_face(ours)
    assert set(back) == set(theirs)
    for name, value in back.items():
        np.testing.assert_array_equal(value, theirs[name])


def test_the_names_of_transformers_5_in_memory(reference):
    """The fourth column of the list, where a name in memory is another."""
    rows = (reference / "dinov2_small_keys_hf.txt").read_text().splitlines()
    shapes = golden_v2.keys(reference, "dinov2_small_keys_hf.txt")
    theirs = {n: golden_v2.tensor(n, s) for n, s in shapes.items()}
    columns = [row.split("\t") for row in rows]
    in_memory = {
        row[-1] if len(row) > 3 and row[-1].strip() else row[0]: theirs[row[0]]
        for row in columns
    }
    assert "encoder.layer.3.attention.q_proj.bias" in in_memory
    assert len(in_memory) == len(theirs)
    ours = dinov2_names.translate(in_memory, "a state dict")
    expected = dinov2_names.translate(theirs, "a file")
    assert set(ours) == set(expected)
    for name, value in ours.items():
        np.testing.assert_array_equal(value, expected[name])


def test_a_gated_network_in_memory_has_its_halves_apart():
    drawn = random_tensors("giant", blocks=1)
    tensors = dinov2_names.to_hugging_face(drawn)
    for name in [n for n in tensors if "weights_in" in n]:
        gate, value = np.split(tensors.pop(name), 2)
        tensors[name.replace("weights_in", "gate_proj")] = gate
        tensors[name.replace("weights_in", "up_proj")] = value
    for name in [n for n in tensors if "weights_out" in n]:
        tensors[name.replace("weights_out", "down_proj")] = tensors.pop(name)
    ours = dinov2_names.translate(tensors, "a state dict")
    assert set(ours) == set(drawn)
    for name, value in drawn.items():
        np.testing.assert_array_equal(ours[name], value)


def random_tensors(size="small", registers=False, blocks=2):
    """Tensors of the first blocks of a model, a tenth of its width wide."""
    rng = np.random.default_rng(0)
    shapes, _ = shaped(size, registers)
    return {
        name: rng.standard_normal(
            [n // 16 if n > 1000 and n != 1370 else n for n in shape]
        ).astype(np.float32)
        for name, shape in shapes.items()
        if not name.startswith("blocks") or int(name.split(".")[1]) < blocks
    }


@pytest.mark.parametrize("size", ["small", "giant"])
def test_there_and_back_through_every_convention(size):
    tensors = random_tensors(size)
    tensors["mask_token"] = np.zeros_like(tensors["mask_token"])
    for convert in (dinov2_names.to_hugging_face, dinov2_names.to_timm):
        named = convert(tensors)
        assert set(named) != set(tensors)
        prefixed = {f"module.{n}": value for n, value in named.items()}
        back = dinov2_names.translate(prefixed, "a file")
        assert set(back) == set(tensors)
        for name, value in back.items():
            np.testing.assert_array_equal(value, tensors[name])


def test_timm_folds_the_class_tokens_position_with_registers():
    tensors = random_tensors(registers=True)
    theirs = dinov2_names.to_timm(tensors)
    assert theirs["pos_embed"].shape[1] == 37 * 37
    first = tensors["cls_token"] + tensors["pos_embed"][:, :1]
    np.testing.assert_array_equal(theirs["cls_token"], first)
    back = dinov2_names.translate(theirs, "a file")
    # Another split of the same sum, which is all that the network sees.
    np.testing.assert_array_equal(
        back["cls_token"] + back["pos_embed"][:, :1], first
    )
    np.testing.assert_array_equal(
        back["register_tokens"], tensors["register_tokens"]
    )


def test_a_patch_embedding_runs_over_row_column_channel():
    weight = np.arange(5 * 3 * 14 * 14, dtype=np.float32)
    weight = weight.reshape(5, 3, 14, 14)
    kernel = layouts.from_torch(weight, layouts.PATCH_14)
    assert kernel[(4 * 14 + 9) * 3 + 2, 1] == weight[1, 2, 4, 9]
    np.testing.assert_array_equal(
        layouts.to_torch(kernel, layouts.PATCH_14), weight
    )


def test_misfits_are_one_sentence():
    shapes, like = shaped("small")
    tensors = dict(of_shapes(shapes))
    del tensors["blocks.3.ls1.gamma"]
    tensors["blocks.12.norm1.bias"] = np.zeros(384)
    tensors["norm.bias"] = np.zeros(768)
    with pytest.raises(ValueError, match=r"^small.pth does not fit") as caught:
        vit_names.fill_encoder(tensors, like, "small.pth")
    for part in (
        "missing: blocks.3.ls1.gamma (384,)",
        "extra: blocks.12.norm1.bias (384,)",
        "misshapen: norm.bias (768,) instead of (384,)",
    ):
        assert part in str(caught.value)


def test_a_lone_query_is_named_in_the_refusal():
    shapes, like = shaped("small")
    tensors = dinov2_names.to_hugging_face(of_shapes(shapes))
    del tensors["encoder.layer.4.attention.attention.key.weight"]
    with pytest.raises(ValueError, match="does not fit") as caught:
        vit_names.fill_encoder(tensors, like, "a file")
    assert "missing: blocks.4.attn.qkv.weight" in str(caught.value)
    assert "attention.query.weight" in str(caught.value)


def test_bfloat16_is_read_and_integers_are_refused():
    shapes, like = shaped("tiny")
    tensors = dict(of_shapes(shapes))
    tensors["norm.bias"] = np.full(48, 0.5, ml_dtypes.bfloat16)
    params = vit_names.fill_encoder(tensors, like, "a file")
    assert params["norm"]["bias"].dtype == np.float32
    assert (params["norm"]["bias"] == 0.5).all()
    tensors["norm.bias"] = np.ones(48, np.int8)
    with pytest.raises(ValueError, match=r"floats: norm\.bias int8"):
        vit_names.fill_encoder(tensors, like, "a file")


def test_dinov3s_weights_are_refused():
    _, like = shaped("small")
    tensors = {"storage_tokens": np.zeros((1, 4, 384))}
    with pytest.raises(ValueError, match="choose a dinov3 backbone"):
        vit_names.fill_encoder(tensors, like, "a file")
