"""Folders of photographs for the tests of names, lists and copies."""

import os
import shutil

import pytest

from ipixmatch_jax.data.registry import open_data


def opened(root, splits_dir="", split="", holdout=0.2):
    return open_data("folder", str(root), splits_dir, split, holdout=holdout)


def names(source):
    return (
        [] if source is None else [source.name(i) for i in range(len(source))]
    )


def every(data):
    return sorted(name for part in data[:4] for name in names(part))


def notes(data):
    return "\n".join(data.notes)


def refused(root, *words, **how):
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        opened(root, **how)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value), (word, str(error.value))
    return str(error.value)


PHOTOS = sorted(f"images/{i}.jpg" for i in range(8))


LINES = [f"images/{i}.jpg masks/{i}.png" for i in range(5)]


def lists(root, labelled, val=None, name="labeled.txt"):
    (root / "splits").mkdir(exist_ok=True)
    (root / "splits" / name).write_text("\n".join(labelled))
    if val:
        (root / "splits/val.txt").write_text("\n".join(val))


SPELLINGS = {
    "plain": lambda line: line,
    "dot": lambda line: "./" + line.replace(" ", " ./"),
    "double slash": lambda line: line.replace("/", "//"),
    "comma": lambda line: line.replace(" ", ","),
    "backslash": lambda line: line.replace("/", "\\"),
    "image alone": lambda line: line.split()[0],
    "stem": lambda line: line.split()[0].split("/")[1].split(".")[0],
    "name": lambda line: line.split()[0].split("/")[1],
}


def copy(root, one, other):
    (root / other).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(root / one, root / other)


def link(root, one, other):
    (root / other).parent.mkdir(parents=True, exist_ok=True)
    (root / other).symlink_to(root / one)


def hard_link(root, one, other):
    (root / other).parent.mkdir(parents=True, exist_ok=True)
    os.link(root / one, root / other)
