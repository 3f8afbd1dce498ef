"""Frozen stages: nothing of them moves, and the rest learns."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.distributed import mesh
from ipixmatch_jax.experiment.validate import check_config
from ipixmatch_jax.models import freezing
from ipixmatch_jax.models import registry as model_registry
from ipixmatch_jax.optimisers.param_groups import Group, faster_head
from ipixmatch_jax.optimisers.sgd import sgd
from ipixmatch_jax.training import batches, setup
from tests import golden, tiny_run


def parse(text, backbone):
    stages = model_registry.BACKBONES[backbone].stages
    return freezing.parse_stages(text, backbone, tuple(stages))


@pytest.mark.parametrize(
    ("text", "backbone", "expected"),
    [
        ("", "r50", []),
        ("layer1,stem", "r50", ["stem", "layer1"]),
        ("layer4, stem", "tiny", ["stem", "layer4"]),
        ("encoder", "r50c4", ["stem", "layer1", "layer2", "layer3"]),
    ],
)
def test_the_stages_by_name(text, backbone, expected):
    assert parse(text, backbone) == expected


@pytest.mark.parametrize("text", ["layr1", "stem,layer4", "head", "layer1_0"])
def test_an_unknown_stage_lists_the_known(text):
    words = r"the stages of r50c4 are stem, layer1, layer2, layer3; encoder"
    with pytest.raises(ValueError, match=words):
        parse(text, "r50c4")


def test_the_config_is_refused_before_anything_is_built():
    config = tiny_run.tiny(**{"model.freeze": "stem,layer9"})
    with pytest.raises(ValueError, match=r"model\.freeze=.* names layer9, but"):
        check_config(config)


def modules_of(stage):
    """The tiny network's modules in a stage, by hand."""
    if stage == "stem":
        return ["stem_1", "stem_2", "stem_3"]
    return [f"{stage}_0"]


@pytest.mark.parametrize(
    ("changes", "frozen"),
    [
        ({"model.freeze": "stem,layer1"}, ["stem", "layer1"]),
        # Not the first stages: gradients pass through to those below.
        ({"model.freeze": "layer2", "method": "unimatch"}, ["layer2"]),
        (
            {"model.freeze": "encoder", "mesh.fsdp": 2, "train.batch_size": 4},
            ["stem", "layer1", "layer2", "layer3", "layer4"],
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
    still = {name for stage in frozen for name in modules_of(stage)}
    for old, new in zip(before, after, strict=True):
        for kind in ("params", "batch_stats"):
            for name, modules in old[kind]["backbone"].items():
                same = jax.tree.map(
                    np.array_equal, modules, new[kind]["backbone"][name]
                )
                moved = not all(jax.tree.leaves(same))
                assert moved != (name in still), (kind, name)
            changed = jax.tree.map(
                lambda a, b: not np.array_equal(a, b),
                old[kind]["head"],
                new[kind]["head"],
            )
            assert all(jax.tree.leaves(changed))


def test_frozen_random_weights_are_named(monkeypatch, caplog):
    tiny_run.few_scenes(monkeypatch)
    built = tiny_run.build(tiny_run.tiny(**{"model.freeze": "stem"}))
    built.init(0)
    assert "FROZEN RANDOM WEIGHTS: model.freeze=stem" in caplog.text


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


def test_a_frozen_stem_uses_running_statistics_and_the_next_its_batchs():
    network = model_registry.build("tiny", 5, stem="7x7", freeze="stem")
    variables = golden.random_variables(network)
    images = np.random.default_rng(0).standard_normal((3, 17, 17, 3))
    _, seen = network.apply(
        variables,
        np.float32(images),
        True,
        mutable=["batch_stats", "intermediates"],
        capture_intermediates=lambda module, _: (
            module.path[1:] in {("stem_1",), ("layer1_0", "conv1")}
        ),
    )
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
        network = model_registry.build("tiny", 5, freeze=freeze)
        variables = golden.zeros(golden.shapes(network))
        stages = model_registry.BACKBONES["tiny"].stages
        frozen = freezing.path_patterns(stages, parse(freeze, "tiny"))
        images = jnp.zeros((2, 33, 33, 3))

        def loss(params):
            of = {**variables, "params": params}
            logits, _ = setup.forward(network, of, images, True, frozen=frozen)
            return logits.sum()

        traced = jax.make_jaxpr(jax.grad(loss))(variables["params"])
        return str(traced).count("conv_general_dilated")

    # The stem has three 3x3 convolutions and layer1 one. Each saves the
    # gradients of its kernel and of its input; the first has only the former.
    assert products("") - products("stem,layer1") == 2 * 4 - 1


def test_momentum_from_before_does_not_move_what_is_frozen_now():
    make = functools.partial(sgd, lambda _: 1.0, weight_decay=0.1)
    frozen = Group(r"(^|/)backbone/stem_\d+/", None)
    network = {"stem_1": {"w": jnp.ones(2)}, "layer1_0": {"w": jnp.ones(2)}}
    one = {"backbone": network, "head": {"b": jnp.ones(2)}}
    params = {"student": one, "twin": one}
    tx = make(groups=faster_head(2.0))
    _, state = tx.update(params, tx.init(params), params)
    tx = make(groups=(frozen, *faster_head(2.0)))
    updates, _ = tx.update(params, state, params)
    for moved in updates.values():
        assert not moved["backbone"]["stem_1"]["w"].any()
        # Momentum 0.9 of (1 + 0.1), and 1.1 again.
        np.testing.assert_allclose(moved["backbone"]["layer1_0"]["w"], -2.09)
        np.testing.assert_allclose(moved["head"]["b"], -2 * 2.09, rtol=1e-6)
