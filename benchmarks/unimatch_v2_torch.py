"""UniMatch V2's training step in plain PyTorch: DINOv2-S with a DPT head.

Written for benchmarks/peers.py from the facts in docs/sources.md: the same
layers, passes, losses, optimiser and average as ours, in float32 or automatic
mixed precision, with torch's own attention. Weights and images are random.
Needs torch, which the package itself does not.
"""

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.peers import Setting
from benchmarks.torch_settings import prepare_torch

WIDTH, DEPTH, HEADS, PATCH, GRID = 384, 12, 6, 14, 37
TAPS = (2, 5, 8, 11)
LEVELS, FEATURES = (48, 96, 192, 384), 64


class Block(nn.Module):
    """A pre-norm block with LayerScale."""

    def __init__(self):
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH, eps=1e-6)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH, eps=1e-6)
        self.fc1 = nn.Linear(WIDTH, 4 * WIDTH)
        self.fc2 = nn.Linear(4 * WIDTH, WIDTH)
        self.scale1 = nn.Parameter(torch.ones(WIDTH))
        self.scale2 = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        """Maps tokens [B, N, d] to the same shape."""
        b, n, _ = x.shape
        parts = self.qkv(self.norm1(x)).reshape(b, n, 3, HEADS, -1)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        x = x + self.scale1 * self.proj(y.reshape(b, n, WIDTH))
        y = self.fc2(F.gelu(self.fc1(self.norm2(x))))
        return x + self.scale2 * y


class Encoder(nn.Module):
    """DINOv2 ViT-S/14 with four taps."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, WIDTH, PATCH, PATCH)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.mask_token = nn.Parameter(torch.zeros(1, WIDTH))
        shape = (1, 1 + GRID**2, WIDTH)
        self.pos_embed = nn.Parameter(0.02 * torch.randn(shape))
        self.blocks = nn.ModuleList(Block() for _ in range(DEPTH))
        self.norm = nn.LayerNorm(WIDTH, eps=1e-6)

    def forward(self, images):
        """Four maps [B, d, h, w] of images [B, 3, H, W]."""
        x = self.patch(images)
        b, d, h, w = x.shape
        x = torch.cat([self.cls_token.expand(b, -1, -1), _flat(x)], 1)
        x = x + self._positions(h, w)
        maps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in TAPS:
                patches = self.norm(x)[:, 1:].transpose(1, 2)
                maps.append(patches.reshape(b, d, h, w))
        return maps

    def _positions(self, h, w):
        if (h, w) == (GRID, GRID):
            return self.pos_embed
        learnt = self.pos_embed[:, 1:].transpose(1, 2)
        resized = F.interpolate(
            learnt.reshape(1, WIDTH, GRID, GRID),
            scale_factor=((h + 0.1) / GRID, (w + 0.1) / GRID),
            mode="bicubic",
        )
        return torch.cat([self.pos_embed[:, :1], _flat(resized)], 1)


class Residual(nn.Module):
    """x + conv(relu(conv(relu(x))))."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(FEATURES, FEATURES, 3, padding=1)
        self.conv2 = nn.Conv2d(FEATURES, FEATURES, 3, padding=1)

    def forward(self, x):
        """Maps [B, F, h, w] to the same shape."""
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


class Fusion(nn.Module):
    """Adds a level to the coarser sum, refines it and enlarges it."""

    def __init__(self):
        super().__init__()
        self.unit1, self.unit2 = Residual(), Residual()
        self.out = nn.Conv2d(FEATURES, FEATURES, 1)

    def forward(self, coarser, level, size):
        """Maps two [B, F, h, w], the first one or None, to [B, F, *size]."""
        x = level if coarser is None else coarser + self.unit1(level)
        return self.out(_resize(self.unit2(x), size))


class Head(nn.Module):
    """DPT's head with UniMatch V2's widths for ViT-S."""

    def __init__(self, classes):
        super().__init__()
        self.projects = nn.ModuleList(
            nn.Conv2d(WIDTH, level, 1) for level in LEVELS
        )
        first, second, _, last = LEVELS
        self.resample = nn.ModuleList(
            [
                nn.ConvTranspose2d(first, first, 4, 4),
                nn.ConvTranspose2d(second, second, 2, 2),
                nn.Identity(),
                nn.Conv2d(last, last, 3, 2, 1),
            ]
        )
        self.levels = nn.ModuleList(
            nn.Conv2d(level, FEATURES, 3, padding=1, bias=False)
            for level in LEVELS
        )
        self.fusions = nn.ModuleList(Fusion() for _ in LEVELS)
        self.output = nn.Conv2d(FEATURES, FEATURES, 3, padding=1)
        self.classifier = nn.Conv2d(FEATURES, classes, 1)

    def forward(self, maps):
        """Logits [B, K, 8 h, 8 w] of four maps [B, d, h, w]."""
        parts = zip(
            maps, self.projects, self.resample, self.levels, strict=True
        )
        levels = [
            conv(resize(project(x))) for x, project, resize, conv in parts
        ]
        x = None
        for index in (3, 2, 1, 0):
            finer = levels[index - 1] if index else None
            h, w = levels[0].shape[2:]
            size = (2 * h, 2 * w) if finer is None else finer.shape[2:]
            x = self.fusions[index](x, levels[index], size)
        return self.classifier(F.relu(self.output(x)))


class Network(nn.Module):
    """Encoder and head; logits at the images' size."""

    def __init__(self, classes=21):
        super().__init__()
        self.backbone, self.head = Encoder(), Head(classes)

    def forward(self, images, factors=None):
        """Logits [B, K, H, W]; `factors` [B, d] multiply the four maps."""
        maps = self.backbone(images)
        if factors is not None:
            maps = [x * factors[:, :, None, None] for x in maps]
        return _resize(self.head(maps), images.shape[2:])


def _flat(x):
    return x.flatten(2).transpose(1, 2)


def _resize(x, size):
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=True)


def count_parameters() -> int:
    """Parameters of the network, those without a gradient too."""
    return sum(x.numel() for x in Network().parameters())


def peak_device_bytes() -> int:
    """The most bytes that tensors took on the GPU since the process began."""
    return torch.cuda.max_memory_allocated()


def build_step(setting: Setting) -> Callable[[], float]:
    """One training step on fixed noise; returns its loss.

    Args:
      setting: with the number of torch's threads.
    """
    side, batch = setting.side, setting.batch
    mixed = prepare_torch(setting)
    student = Network()
    teacher = copy.deepcopy(student).requires_grad_(requires_grad=False)
    backbone = list(student.backbone.parameters())
    optimiser = torch.optim.AdamW(
        [
            {"params": backbone, "lr": 5e-6},
            {"params": student.head.parameters(), "lr": 2e-4},
        ],
        weight_decay=0.01,
    )
    labelled, weak, first, second = torch.randn(4, batch, 3, side, side)
    labels = torch.randint(0, 21, (batch, side, side))
    boxes = torch.zeros(2, batch, side, side, dtype=torch.bool)
    boxes[..., side // 4 : side // 2, side // 4 : 3 * side // 4] = True
    done = 0

    def step():
        nonlocal done
        with torch.no_grad(), mixed:
            logits = teacher(weak)
            confidence, target = logits.float().softmax(1).max(1)
        with mixed:
            loss_x = F.cross_entropy(student(labelled), labels)
        views = [
            _paste(x, box)
            for x, box in zip((first, second), boxes, strict=True)
        ]
        factors = _complementary(batch)
        with mixed:
            logits = student(torch.cat(views), factors)
        losses = []
        for view, box in zip(logits.float().chunk(2), boxes, strict=True):
            entropy = F.cross_entropy(
                view, _paste(target, box), reduction="none"
            )
            losses.append((entropy * (_paste(confidence, box) >= 0.95)).mean())
        loss = (loss_x + sum(losses) / 2) / 2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        decay = min(1 - 1 / (done + 1), 0.996)
        with torch.no_grad():
            for old, new in zip(
                teacher.parameters(), student.parameters(), strict=True
            ):
                old.mul_(decay).add_(new, alpha=1 - decay)
        done += 1
        return loss.item()

    return step


def _paste(x, box):
    """CutMix with the image at the same place from the batch's end."""
    if x.ndim == 4:
        box = box[:, None]
    return torch.where(box, x.flip(0), x)


def _complementary(batch):
    """Factors [2 B, d] of both views; half of the images keep everything."""
    first = 2.0 * (torch.rand(batch, WIDTH) < 0.5)
    kept = torch.randperm(batch)[: batch // 2]
    second = 2 - first
    first[kept], second[kept] = 1, 1
    return torch.cat([first, second])
