"""Frozen stages: nothing of them moves, and the rest learns."""

import functools
import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.distributed import mesh
from ipixmatch_jax.experiment.validate import check_config
from ipixmatch_jax.models import freezing
from ipixmatch_jax.models import registry as model_registry
from ipixmatch_jax.models.backbones import dinov2
from ipixmatch_jax.models.registry import BACKBONES
from ipixmatch_jax.models.segmenter import Segmenter, draw_variables
from ipixmatch_jax.optimisers.adamw import adamw
from ipixmatch_jax.optimisers.param_groups import Group, faster_head
from ipixmatch_jax.optimisers.sgd import sgd
from ipixmatch_jax.training import batches, setup
from tests import golden, tiny_run

pytestmark = pytest.mark.slow


def patterns(text, backbone):
    return of_entry(text, BACKBONES[backbone])


def of_entry(text, entry):
    names = freezing.parse_stages(text, "NAME", tuple(entry.stages))
    return freezing.path_patterns(entry.stages, names)


EVERY = ["stem_1", "layer1_0", "layer1_2", "layer2_0", "layer3_5", "layer4_0"]


@pytest.mark.parametrize(
    ("text", "backbone", "expected"),
    [
        ("", "r50", []),
        ("layer1,stem", "r50", ["stem_1", "layer1_0", "layer1_2"]),
        ("layer4, stem", "tiny", ["stem_1", "layer4_0"]),
        ("encoder", "r50", EVERY),
    ],
)
def test_the_modules_of_named_stages(text, backbone, expected):
    found = patterns(text, backbone)
    for network in ("", "twin/"):
        matched = [
            name
            for name in EVERY
            if any(re.search(p, f"{network}backbone/{name}/x") for p in found)
        ]
        assert matched == expected
    assert not any(re.search(p, "head/stem_1/layer1_0/x") for p in found)


def test_a_block_of_a_transformer_is_not_those_that_its_number_begins():
    found = of_entry("embedding,block_1", dinov2.BACKBONES["dinov2b"])
    names = ["patch_embed/kernel", "pos_embed", "block_0/norm1/scale"]
    names += ["block_1/norm1/scale", "block_10/norm1/scale", "norm/scale"]
    matched = [
        name
        for name in names
        if any(re.search(p, f"backbone/{name}") for p in found)
    ]
    assert matched == [names[0], names[1], names[3]]


@pytest.mark.parametrize("text", ["layr1", "stem,layer4", "head", "layer1_0"])
def test_an_unknown_stage_lists_the_known(text):
    words = r"the stages of NAME are stem, layer1, layer2, layer3; encoder"
    with pytest.raises(ValueError, match=words):
        patterns(text, "r50c4")


def test_the_config_is_refused_before_anything_is_built():
    config = tiny_run.tiny(
        **{"model.backbone": "tiny", "model.freeze": "stem,layer9"}
    )
    with pytest.raises(ValueError, match=r"model\.freeze=.* names layer9, but"):
        check_config(config)


def keep(frozen):
    return [Group(pattern, None) for pattern in frozen]


class Last(nn.Module):
    """Class scores of the last map."""

    num_classes: int
    exact_when_padded = False

    @nn.compact
    def __call__(self, features, train):
        return nn.Dense(self.num_classes, name="classifier")(features[-1])


@pytest.mark.parametrize(
    ("changes", "frozen"),
    [
        ({"model.freeze": "conv1"}, {"conv1"}),
        # Not the first stage: gradients pass through to the one below.
        ({"model.freeze": "conv2", "method": "unimatch"}, {"conv2"}),
        (
            {"model.freeze": "encoder", "mesh.fsdp": 2, "train.batch_size": 4},
            {"conv1", "conv2"},
        ),
    ],
)
def test_two_steps_leave_frozen_stages_bit_for_bit(
    monkeypatch, changes, frozen
):
    tiny_run.few_scenes(monkeypatch)
    config = tiny_run.tiny(**{"train.weight_decay": 0.1, **changes})
    built = tiny_run.build(config)
    state = built.init(0)
    before = jax.device_get((state.student, state.teacher))
    stream = batches.make_batches(config, built.data)
    for step in range(2):
        batch = dict(stream[step])
        batch.pop("bad")
        batch = mesh.put_batch(batch, built.mesh)
        state, _ = built.train_step(state, batch)
    assert state.skipped == 0
    after = jax.device_get((state.student, state.teacher))
    for old, new in zip(before, after, strict=True):
        for kind in ("params", "batch_stats"):
            for name, modules in old[kind]["backbone"].items():
                same = jax.tree.map(
                    np.array_equal, modules, new[kind]["backbone"][name]
                )
                moved = not all(jax.tree.leaves(same))
                assert moved != (name in frozen), (kind, name)
        changed = jax.tree.map(
            lambda a, b: not np.array_equal(a, b),
            old["params"]["head"],
            new["params"]["head"],
        )
        assert all(jax.tree.leaves(changed))


def test_frozen_random_weights_are_named(monkeypatch, caplog):
    tiny_run.few_scenes(monkeypatch)
    built = tiny_run.build(tiny_run.tiny(**{"model.freeze": "conv1"}))
    built.init(0)
    assert "FROZEN RANDOM WEIGHTS: model.freeze=conv1" in caplog.text


def convolved(x, kernel, stride):
    """A convolution padded by k // 2, as its definition, in float64."""
    side = kernel.shape[0]
    pad = side // 2
    x = np.pad(np.float64(x), ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    rows = (x.shape[1] - side) // stride + 1
    out = np.zeros((x.shape[0], rows, rows, kernel.shape[-1]))
    for i in range(rows):
        for j in range(rows):
            top, left = i * stride, j * stride
            patch = x[:, top : top + side, left : left + side]
            out[:, i, j] = np.einsum("bhwc,hwco->bo", patch, kernel)
    return out


def normalised(x, mean, var, module):
    scale, bias = module["bn"]["scale"], module["bn"]["bias"]
    return np.maximum((x - mean) / np.sqrt(var + 1e-5) * scale + bias, 0)


def pooled(x):
    """The 3x3 maximum at stride 2 of x >= 0."""
    rows = range((x.shape[1] + 1) // 2)
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return np.stack(
        [
            np.stack(
                [
                    x[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max((1, 2))
                    for j in rows
                ],
                1,
            )
            for i in rows
        ],
        1,
    )


@pytest.mark.parametrize("remat", [False, True])
def test_a_frozen_stem_uses_running_statistics_and_the_next_its_batchs(remat):
    network = model_registry.build("tiny", 5, stem="7x7", remat=remat)
    variables = golden.random_variables(network)
    images = np.random.default_rng(0).standard_normal((3, 17, 17, 3))
    apply = functools.partial(
        network.apply,
        train=True,
        mutable=["batch_stats", "intermediates"],
        capture_intermediates=lambda module, _: (
            module.path[1:] in {("stem_1",), ("layer1_0", "conv1")}
        ),
    )
    with freezing.keep_statistics(patterns("stem", "tiny")):
        _, seen = jax.jit(apply)(variables, np.float32(images))
    stem = variables["params"]["backbone"]["stem_1"]
    stats = variables["batch_stats"]["backbone"]["stem_1"]["bn"]
    out = convolved(images, np.float64(stem["conv"]["kernel"]), 2)
    out = normalised(out, stats["mean"], stats["var"], stem)
    seen = seen["intermediates"]["backbone"]
    actual = seen["stem_1"]["__call__"][0]
    np.testing.assert_allclose(actual, out, rtol=1e-4, atol=1e-4)
    block = variables["params"]["backbone"]["layer1_0"]["conv1"]
    out = convolved(pooled(out), np.float64(block["conv"]["kernel"]), 1)
    out = normalised(out, out.mean((0, 1, 2)), out.var((0, 1, 2)), block)
    actual = seen["layer1_0"]["conv1"]["__call__"][0]
    np.testing.assert_allclose(actual, out, rtol=1e-3, atol=1e-3)


def test_the_backward_pass_ends_above_the_frozen_stages():
    def products(freeze):
        network = model_registry.build("tiny", 5)
        variables = golden.zeros(golden.shapes(network))
        frozen = patterns(freeze, "tiny")
        images = jnp.zeros((2, 33, 33, 3))

        def loss(params):
            of = {**variables, "params": params}
            output, _ = setup.forward(network, of, images, True, frozen=frozen)
            return output.logits.sum()

        gradient = jax.jit(jax.grad(loss)).lower(variables["params"])
        return gradient.compile().as_text().count(" convolution(")

    # The stem has three 3x3 convolutions and layer1 one. Each saves the
    # gradients of its kernel and of its input; the first has only the former.
    assert products("") - products("stem,layer1") == 2 * 4 - 1


def test_momentum_from_before_does_not_move_what_is_frozen_now():
    make = functools.partial(sgd, lambda _: 1.0, weight_decay=0.1)
    frozen = keep(patterns("stem", "tiny"))
    network = {"stem_1": {"w": jnp.ones(2)}, "layer1_0": {"w": jnp.ones(2)}}
    one = {"backbone": network, "head": {"b": jnp.ones(2)}}
    params = {"student": one, "twin": one}
    tx = make(groups=faster_head(2.0))
    _, state = tx.update(params, tx.init(params), params)
    tx = make(groups=(*frozen, *faster_head(2.0)))
    updates, _ = tx.update(params, state, params)
    for moved in updates.values():
        assert not moved["backbone"]["stem_1"]["w"].any()
        # Momentum 0.9 of (1 + 0.1), and 1.1 again.
        np.testing.assert_allclose(moved["backbone"]["layer1_0"]["w"], -2.09)
        np.testing.assert_allclose(moved["head"]["b"], -2 * 2.09, rtol=1e-6)


def test_frozen_blocks_of_a_transformer_keep_their_values():
    entry = dinov2.BACKBONES["dinov2tiny"]
    frozen = of_entry("embedding,block_0", entry)
    network = Segmenter(
        backbone=entry.build(), head=Last(3), mean=None, std=None
    )
    params = draw_variables(network, 28, jax.random.key(0))["params"]
    images = np.random.default_rng(0).standard_normal((2, 28, 28, 3))
    groups = (*keep(frozen), *faster_head(2.0))
    tx = adamw(lambda _: 0.1, groups=groups, weight_decay=0.1)

    def loss(params):
        of = {"params": params, "batch_stats": {}}
        output, statistics = setup.forward(
            network, of, np.float32(images), True, frozen=frozen
        )
        assert statistics == {}
        return jnp.square(output.logits).sum()

    @jax.jit
    def step(params):
        grads = jax.grad(loss)(params)
        return grads, tx.update(grads, tx.init(params), params)[0]

    grads, updates = step(params)
    still = {"patch_embed", "cls_token", "mask_token", "pos_embed", "block_0"}
    for name, parts in updates["backbone"].items():
        moved = [np.any(leaf) for leaf in jax.tree.leaves(parts)]
        assert any(moved) != (name in still), name
    for name in still:
        for leaf in jax.tree.leaves(grads["backbone"][name]):
            assert not np.any(leaf), name
