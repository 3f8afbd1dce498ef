"""DeepLabV3+ on a dilated ResNet-50 in plain PyTorch, for benchmarks/peers.py.

Written from the facts in docs/sources.md: the same layers, widths, dilations
and resizing as ours, with the deep stem and output stride 16. Weights are
random, and the memory format is channels last. Needs torch, which the package
itself does not.
"""

import torch
import torch.nn.functional as F
from torch import nn

# Blocks, width, stride and dilation of the stages.
STAGES = ((3, 64, 1, 1), (4, 128, 2, 1), (6, 256, 2, 1), (3, 512, 1, 2))
EXPANSION, WIDTH, LOW, RATES = 4, 256, 48, (6, 12, 18)


class Unit(nn.Sequential):
    """Convolution, batch norm and, unless `relu` is off, ReLU."""

    def __init__(self, into, out, kernel=1, stride=1, dilation=1, relu=True):
        conv = nn.Conv2d(
            into,
            out,
            kernel,
            stride,
            dilation * (kernel // 2),
            dilation,
            bias=False,
        )
        after = [nn.ReLU(inplace=True)] if relu else []
        super().__init__(conv, nn.BatchNorm2d(out), *after)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 and the shortcut."""

    def __init__(self, into, width, stride, dilation):
        super().__init__()
        out = EXPANSION * width
        self.units = nn.Sequential(
            Unit(into, width),
            Unit(width, width, 3, stride, dilation),
            Unit(width, out, relu=False),
        )
        self.shortcut = nn.Identity()
        if stride != 1 or into != out:
            self.shortcut = Unit(into, out, stride=stride, relu=False)

    def forward(self, x):
        """Maps [B, C, h, w] to [B, 4 width, h / stride, w / stride]."""
        return F.relu(self.shortcut(x) + self.units(x), inplace=True)


class Encoder(nn.Module):
    """The first and the last map of the ResNet, at strides 4 and 16."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            Unit(3, 64, 3, 2),
            Unit(64, 64, 3),
            Unit(64, 128, 3),
            nn.MaxPool2d(3, 2, 1),
        )
        stages, into, before = [], 128, 1
        for blocks, width, stride, dilation in STAGES:
            stage = [Bottleneck(into, width, stride, before)]
            into, before = EXPANSION * width, dilation
            stage += [
                Bottleneck(into, width, 1, dilation) for _ in range(blocks - 1)
            ]
            stages.append(nn.Sequential(*stage))
        self.stages = nn.ModuleList(stages)

    def forward(self, images):
        """Two maps of images [B, 3, H, W]."""
        first = x = self.stages[0](self.stem(images))
        for stage in self.stages[1:]:
            x = stage(x)
        return first, x


class Head(nn.Module):
    """ASPP, and the decoder with the first map."""

    def __init__(self, classes):
        super().__init__()
        deep = EXPANSION * STAGES[-1][1]
        self.branches = nn.ModuleList(
            [Unit(deep, WIDTH)]
            + [Unit(deep, WIDTH, 3, dilation=rate) for rate in RATES]
        )
        self.pooled = Unit(deep, WIDTH)
        self.project = Unit((2 + len(RATES)) * WIDTH, WIDTH)
        self.reduce = Unit(EXPANSION * STAGES[0][1], LOW)
        self.fuse = nn.Sequential(
            Unit(WIDTH + LOW, WIDTH, 3), Unit(WIDTH, WIDTH, 3)
        )
        self.classifier = nn.Conv2d(WIDTH, classes, 1)

    def forward(self, first, last):
        """Logits [B, K, h, w] of the first map's size."""
        parts = [branch(last) for branch in self.branches]
        pooled = self.pooled(last.mean((2, 3), keepdim=True))
        parts.append(pooled.expand_as(parts[0]))
        deep = resize(self.project(torch.cat(parts, 1)), first.shape[2:])
        x = torch.cat([self.reduce(first), deep], 1)
        return self.classifier(self.fuse(x))


class Network(nn.Module):
    """Encoder and head; logits at the images' size."""

    def __init__(self, classes=21):
        super().__init__()
        self.backbone, self.head = Encoder(), Head(classes)
        self.to(memory_format=torch.channels_last)

    def forward(self, images, perturb=None):
        """Logits [B, K, H, W] of images [B, 3, H, W].

        With `perturb`, of the two maps and of perturbed copies: [2 B, ...].
        """
        maps = self.backbone(images)
        if perturb is not None:
            maps = [torch.cat([x, perturb(x)]) for x in maps]
        return resize(self.head(*maps), images.shape[2:])


def resize(x, size):
    """Bilinear with aligned corners."""
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=True)


def count_parameters() -> int:
    """Parameters of the network."""
    return sum(x.numel() for x in Network().parameters())


def peak_device_bytes() -> int:
    """The most bytes that tensors took on the GPU since the process began."""
    return torch.cuda.max_memory_allocated()
