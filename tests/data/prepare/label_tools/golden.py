"""Exports that the label tools' own programs wrote (write_fixtures.py)."""

import json
import pathlib

import numpy as np
from PIL import Image

from ipixmatch_jax.data.prepare.label_tools.convert import convert_labels
from ipixmatch_jax.data.prepare.label_tools.export import Rules

FIXTURES = pathlib.Path(__file__).parent / "fixtures"
PHOTOGRAPHS = FIXTURES / "photographs"


def masks(export):
    """The masks that the tool's own program draws, by the image's name."""
    with np.load(FIXTURES / "golden.npz") as arrays:
        return {
            name.partition("/")[2]: arrays[name]
            for name in arrays
            if name.startswith(f"{export}/")
        }


def prepared(tool, source, out, images=None, **rules):
    """The lines that were said."""
    return convert_labels(tool, source, out, images, Rules(**rules))


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def equal(path, right):
    """Whether a mask holds these ids."""
    np.testing.assert_array_equal(pixels(path), right)


def classes(root):
    """The names and colours of a folder."""
    return json.loads((root / "classes.json").read_text())


def files(root):
    """Every file of a folder."""
    found = (p for p in root.rglob("*") if p.is_file())
    return sorted(p.relative_to(root).as_posix() for p in found)
