"""Scenes drawn from a seed: five shapes on textured grounds. No download.

An object's outline and texture determine its class; its colour says nothing.
Few labels tempt a network to learn colours all the same, and those do not
generalise, because the light changes from scene to scene.
Ours, written for this project.
"""

import colorsys
import functools
import math

import numpy as np
from PIL import Image

from ipixmatch_jax.data.data_set_kind import DataSetKind
from ipixmatch_jax.data.source import DataSet, Sample, Source

CLASS_NAMES = ("background", "disc", "square", "triangle", "ring", "star")
PALETTE = (
    (0, 0, 0),
    (230, 80, 70),
    (70, 150, 230),
    (240, 200, 60),
    (90, 190, 110),
    (170, 90, 200),
)
SIZE = 96  # Pixels, height and width.
TRAIN, VAL, TEST = 256, 64, 256  # Scenes.
SEEDS = {"train": 1, "val": 2, "test": 3}

# How hard the scenes are.
OBJECTS = (2, 5)  # How many, inclusive.
RADIUS = (18.0, 36.0)  # Pixels.
SQUASH = 0.72  # The least ratio of an object's two axes.
DULL = (0.0, 0.5)  # Saturation of the ground.
VIVID = (0.4, 0.95)  # Saturation of objects.
CONTRAST = (0.7, 0.95)  # Strength of a texture on [0, 1].
TILT = 0.2  # Greatest turn of an object's texture, either way, in radians.
TINT = 0.3  # A scene's channels are scaled by 1 - TINT to 1 + TINT.
EXPOSURE = (0.6, 1.4)  # Factor of all channels of a scene.
GRADIENT = 0.3  # Greatest change of light from the centre to an edge.
SHADOW = (0.6, 0.9)  # Light left in the shadow.
NOISE = 0.03  # Standard deviation per pixel on [0, 1].

# Pixel centres, in pixels from the centre of the scene.
_ROWS, _COLUMNS = np.meshgrid(
    *(np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2,) * 2, indexing="ij"
)


class Scenes(Source):
    """`count` scenes of a seed, from number `first` on."""

    def __init__(self, seed: int, first: int, count: int, labelled: bool):
        """Chooses the scenes, and whether they come with masks."""
        self._seed = seed
        self._first = first
        self._count = count
        self._labelled = labelled

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, i: int) -> Sample:
        if not 0 <= i < self._count:
            raise IndexError(i)
        scene, mask = draw_scene(self._seed, self._first + i)
        image = Image.fromarray(scene)
        return Sample(image, Image.fromarray(mask) if self._labelled else None)

    def name(self, i: int) -> str:
        """See `Source.name`; there is no such file."""
        return f"scene_{self._seed}_{self._first + i:04d}.png"

    def size(self, i: int) -> tuple[int, int]:
        """See `Source.size`."""
        del i
        return SIZE, SIZE


def open_set(root: str, splits_dir: str, split: str) -> DataSet:
    """256 train scenes; the split "1_n" labels 1/n of them.

    Args:
      root: "", because it reads no files.
      splits_dir: "".
      split: "1_2", "1_4", ... "1_64"; smaller fractions are subsets of
        larger ones.

    Raises:
      ValueError: the split has another name, or a folder is given.
    """
    for field, given in (("root", root), ("splits_dir", splits_dir)):
        if given:
            raise ValueError(
                f"config.data.{field}={given}: shapes draws its own images and "
                "reads no folder. Leave it out, or train on your images with "
                "--config configs/folder.py."
            )
    splits = {f"1_{2**k}": TRAIN // 2**k for k in range(1, 7)}
    if split not in splits:
        raise ValueError(
            f"shapes has no split {split!r}; it is one of {', '.join(splits)}."
        )
    count = splits[split]
    train = SEEDS["train"]
    return DataSet(
        labelled=Scenes(train, 0, count, labelled=True),
        unlabelled=Scenes(train, count, TRAIN - count, labelled=False),
        val=Scenes(SEEDS["val"], 0, VAL, labelled=True),
        test=Scenes(SEEDS["test"], 0, TEST, labelled=True),
        class_names=CLASS_NAMES,
        palette=PALETTE,
    )


# Every scene of every set fits, so each is drawn once per process.
@functools.lru_cache(maxsize=TRAIN + VAL + TEST)
def draw_scene(seed: int, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws an image uint8 [96,96,3] and a mask uint8 [96,96], read-only."""
    rng = np.random.default_rng([seed, index])
    ground = _GROUNDS[rng.integers(len(_GROUNDS))](rng)
    colour = (rng.random(), rng.uniform(*DULL), rng.uniform(0.15, 0.8))
    canvas = _painted(ground, colour, rng)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    for _ in range(rng.integers(OBJECTS[0], OBJECTS[1] + 1)):
        class_id = int(rng.integers(1, len(CLASS_NAMES)))
        inside = _outline(class_id, rng)
        texture = _TEXTURES[CLASS_NAMES[class_id]](rng)
        colour = (rng.random(), rng.uniform(*VIVID), rng.uniform(0.35, 0.9))
        canvas[inside] = _painted(texture[inside], colour, rng)
        mask[inside] = class_id
    canvas *= _light(rng)
    noise = rng.standard_normal(canvas.shape, dtype=np.float32)
    canvas += NOISE * noise
    image = (np.clip(canvas, 0, 1) * 255 + 0.5).astype(np.uint8)
    image.flags.writeable = mask.flags.writeable = False
    return image, mask


def _painted(
    texture: np.ndarray, hsv: tuple, rng: np.random.Generator
) -> np.ndarray:
    """Paints a texture, float32 [...] on [-1, 1], in one colour: [..., 3]."""
    colour = np.asarray(colorsys.hsv_to_rgb(*hsv), np.float32)
    contrast = np.float32(rng.uniform(*CONTRAST))
    return colour * (1 + contrast * texture[..., None])


def _light(rng: np.random.Generator) -> np.ndarray:
    """Exposure, tint, a gradient and a soft shadow: float32 [96,96,3]."""
    tint = rng.uniform(1 - TINT, 1 + TINT, 3) * rng.uniform(*EXPOSURE)
    along = _turned(rng.uniform(0, 2 * math.pi)) / (SIZE / 2)
    light = 1 + np.float32(rng.uniform(0, GRADIENT)) * along
    edge = _turned(rng.uniform(0, 2 * math.pi)) - np.float32(
        rng.uniform(-0.3, 0.6) * SIZE
    )
    softness = np.float32(rng.uniform(2, 10))
    dark = np.float32(1 - rng.uniform(*SHADOW))
    light *= 1 - dark / (1 + np.exp(np.clip(-edge / softness, -30, 30)))
    return light[..., None] * tint.astype(np.float32)


def _turned(angle: float) -> np.ndarray:
    """Each pixel's coordinate along a direction, in pixels: float32 [96,96]."""
    return (
        np.float32(math.cos(angle)) * _COLUMNS
        + np.float32(math.sin(angle)) * _ROWS
    )


# Textures: float32 [96,96] on [-1, 1].


def _plain(rng: np.random.Generator) -> np.ndarray:
    return np.float32(0.5) * _noise(rng, cells=3)


def _stripes(rng: np.random.Generator, angle: float) -> np.ndarray:
    wave = 2 * math.pi / rng.uniform(8, 16)
    phase = rng.uniform(0, 2 * math.pi)
    along = _turned(angle + rng.uniform(-TILT, TILT))
    return np.sin(np.float32(wave) * along + np.float32(phase))


def _columns(rng: np.random.Generator) -> np.ndarray:
    return _stripes(rng, 0)


def _rows(rng: np.random.Generator) -> np.ndarray:
    return _stripes(rng, math.pi / 2)


def _checks(rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(-TILT, TILT)
    wave = np.float32(2 * math.pi / rng.uniform(12, 24))
    phase = np.float32(rng.uniform(0, 2 * math.pi))
    first = np.sin(wave * _turned(angle) + phase)
    return np.sign(first * np.sin(wave * _turned(angle + math.pi / 2)))


def _dots(rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(-TILT, TILT)
    wave = np.float32(2 * math.pi / rng.uniform(10, 16))
    both = np.cos(wave * _turned(angle)) + np.cos(
        wave * _turned(angle + math.pi / 2)
    )
    return np.where(both > 0.4, np.float32(1), np.float32(-0.6))


def _blots(rng: np.random.Generator) -> np.ndarray:
    return np.sign(_noise(rng, cells=12))


def _clouds(rng: np.random.Generator) -> np.ndarray:
    return np.clip(_noise(rng, cells=9), -1, 1)


def _noise(rng: np.random.Generator, cells: int) -> np.ndarray:
    """Random values on a coarse grid, interpolated bilinearly."""
    grid = rng.uniform(-1, 1, (cells + 1, cells + 1)).astype(np.float32)
    at = np.linspace(0, cells, SIZE, dtype=np.float32)
    weights = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(cells + 1)))
    weights = weights.astype(np.float32)
    return weights @ grid @ weights.T


_TEXTURES = {
    "disc": _columns,
    "square": _rows,
    "triangle": _checks,
    "ring": _dots,
    "star": _blots,
}
_GROUNDS = (_plain, _clouds)


def _outline(class_id: int, rng: np.random.Generator) -> np.ndarray:
    """The pixels of one rotated and squashed object: bool [96,96]."""
    radius = rng.uniform(*RADIUS)
    x, y = rng.uniform(-SIZE / 2 + 6, SIZE / 2 - 6, 2)
    angle = rng.uniform(0, 2 * math.pi)
    squash = rng.uniform(SQUASH, 1)
    u = _turned(angle) - (x * math.cos(angle) + y * math.sin(angle))
    angle += math.pi / 2
    v = _turned(angle) - (x * math.cos(angle) + y * math.sin(angle))
    scaled = (u / np.float32(radius), v / np.float32(radius * squash))
    return _INSIDE[CLASS_NAMES[class_id]](*scaled)


# Outlines in the unit circle: (u, v) float32 -> bool.


def _in_disc(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return u * u + v * v < 0.85


def _in_square(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(u), np.abs(v)) < 0.8


def _in_triangle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    side = np.abs(u) * np.float32(math.sqrt(3) / 2) - v / 2
    return np.maximum(side, v) < 0.55


def _in_ring(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    square = u * u + v * v
    return (square < 1) & (square > 0.3)


def _in_star(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A star with five points at radius 1 and dents at radius 0.45."""
    step = math.pi / 5
    angle = np.arctan2(v, u)
    angle = np.abs((angle + step) % (2 * step) - step)
    radius = np.hypot(u, v)
    # Inside the line from the point (1, 0) to the dent at angle `step`.
    dent_x, dent_y = 0.45 * math.cos(step), 0.45 * math.sin(step)
    side = dent_y * (radius * np.cos(angle) - 1)
    return side - (dent_x - 1) * radius * np.sin(angle) < 0


_INSIDE = {
    "disc": _in_disc,
    "square": _in_square,
    "triangle": _in_triangle,
    "ring": _in_ring,
    "star": _in_star,
}


KIND = DataSetKind(open=open_set)
