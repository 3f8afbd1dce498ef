"""Shallow variants against twins in torch, where torch is installed."""

import jax
import numpy as np
import pytest
from flax import traverse_util

from ipixmatch_jax.models.weights import layouts, vit_names
from tests.models.backbones.shallow import VARIANTS, images, params, shallow

torch = pytest.importorskip("torch")
functional = torch.nn.functional


class Twin:
    """A vision transformer written with torch's functions, in float64."""

    def __init__(self, tensors, settings):
        self.tensors = {
            name: torch.tensor(np.float64(value))
            for name, value in tensors.items()
        }
        self.position = settings.get("position", "learnt")

    def __call__(self, image):
        """Four maps of an image [B, H, W, C], as NumPy [B, h, w, d]."""
        t = self.tensors
        x = torch.tensor(np.float64(image)).permute(0, 3, 1, 2)
        weight = t["patch_embed.proj.weight"]
        x = functional.conv2d(x, weight, t["patch_embed.proj.bias"], stride=4)
        b, d, *self.grid = x.shape
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([t["cls_token"].expand(b, -1, -1), x], 1)
        if self.position != "rotary":
            x = x + self.positions()
        for name in ("register_tokens", "storage_tokens"):
            if name in t:
                more = t[name].expand(b, -1, -1)
                x = torch.cat([x[:, :1], more, x[:, 1:]], 1)
        maps = []
        for index in range(4):
            x = self.block(x, f"blocks.{index}.")
            patches = self.norm(x, "norm")[:, -self.grid[0] * self.grid[1] :]
            maps.append(patches.reshape(b, *self.grid, d).numpy())
        return maps

    def positions(self):
        learnt = self.tensors["pos_embed"]
        x = learnt[:, 1:].reshape(1, 5, 5, -1).permute(0, 3, 1, 2)
        if self.position == "learnt_antialiased":
            how = {"size": tuple(self.grid), "antialias": True}
        else:
            how = {"scale_factor": tuple((n + 0.1) / 5 for n in self.grid)}
        x = functional.interpolate(x, mode="bicubic", **how)
        return torch.cat([learnt[:, :1], x.flatten(2).transpose(1, 2)], 1)

    def block(self, x, begin):
        t = self.tensors
        y = self.attention(self.norm(x, begin + "norm1"), begin)
        x = x + t[begin + "ls1.gamma"] * y
        y = self.norm(x, begin + "norm2")
        if begin + "mlp.w3.weight" in t:
            gate, value = self.linear(y, begin + "mlp.w12").chunk(2, -1)
            y = self.linear(functional.silu(gate) * value, begin + "mlp.w3")
        else:
            y = functional.gelu(self.linear(y, begin + "mlp.fc1"))
            y = self.linear(y, begin + "mlp.fc2")
        return x + t[begin + "ls2.gamma"] * y

    def attention(self, x, begin):
        b, n, d = x.shape
        t = self.tensors
        qkv = x @ t[begin + "attn.qkv.weight"].T
        if begin + "attn.qkv.bias" in t:
            qkv = qkv + t[begin + "attn.qkv.bias"]
        else:
            q, v = t[begin + "attn.q_bias"], t[begin + "attn.v_bias"]
            qkv = qkv + torch.cat([q, torch.zeros(d), v])
        q, k, v = qkv.reshape(b, n, 3, 3, d // 3).permute(2, 0, 3, 1, 4)
        if self.position == "rotary":
            q, k = self.turned(q), self.turned(k)
        x = functional.scaled_dot_product_attention(q, k, v)
        x = x.transpose(1, 2).reshape(b, n, d)
        return self.linear(x, begin + "attn.proj")

    def turned(self, x):
        """Rotary positions of the patches, pair by pair of channels."""
        head = x.shape[-1]
        out = x.clone()
        first = x.shape[2] - self.grid[0] * self.grid[1]
        for token in range(first, x.shape[2]):
            row, col = divmod(token - first, self.grid[1])
            for j in range(head // 2):
                side = j // (head // 4)
                place = (row, col)[side] + 0.5
                place = 2 * place / self.grid[side] - 1
                period = 100.0 ** (4 * (j % (head // 4)) / head)
                angle = torch.tensor(2 * np.pi * place / period)
                a, b = x[:, :, token, j], x[:, :, token, j + head // 2]
                cos, sin = torch.cos(angle), torch.sin(angle)
                out[:, :, token, j] = a * cos - b * sin
                out[:, :, token, j + head // 2] = b * cos + a * sin
        return out

    def linear(self, x, name):
        weight, bias = (self.tensors[f"{name}.{k}"] for k in ("weight", "bias"))
        return functional.linear(x, weight, bias)

    def norm(self, x, name):
        weight, bias = (self.tensors[f"{name}.{k}"] for k in ("weight", "bias"))
        return functional.layer_norm(x, x.shape[-1:], weight, bias, 1e-6)


def by_name(variables):
    """Params by Meta's names, the small patch embedding as a convolution."""
    flat = traverse_util.flatten_dict(variables["params"])
    tensors = {}
    for leaf in vit_names.encoder_leaves(variables["params"]):
        value = flat[leaf.path]
        if leaf.name == "patch_embed.proj.weight":
            value = value.reshape(4, 4, 3, -1).transpose(3, 2, 0, 1)
        else:
            value = layouts.to_torch(value, leaf.layout)
        tensors[leaf.name] = value
    return tensors


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_tap_equals_the_twins(variant):
    settings = VARIANTS[variant]
    expected = Twin(by_name(params(variant)), settings)(images())
    network = shallow(**settings)
    actual = jax.jit(network.apply, static_argnums=2)(
        params(variant), images(), False
    )
    for ours, theirs in zip(actual, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-4)
