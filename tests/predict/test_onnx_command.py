"""`export` to ONNX: what it refuses before any work."""

import importlib.util

import pytest

from ipixmatch_jax.models import pretrained


def run(*words):
    return pretrained._export(
        pretrained._parser().parse_args(["export", *words])
    )


@pytest.mark.parametrize(
    ("to", "more", "sentence"),
    [
        ("a.pth", ["--format=onnx"], "--format onnx does not go with a.pth"),
        ("a.onnx", ["--format=torch"], "--format torch does not go with"),
        ("a.pth", ["--size=64"], "--size goes with an ONNX file alone"),
    ],
)
def test_words_that_do_not_go_together(to, more, sentence):
    with pytest.raises(ValueError, match=sentence):
        run("runs/mine", f"--to={to}", *more)


@pytest.mark.parametrize("size", ["a", "20", "x64", "64x-1", "64x64x64"])
def test_a_size_is_one_or_two_sides(size, capsys):
    with pytest.raises(SystemExit):
        run("runs/mine", "--to=a.onnx", f"--size={size}")
    assert "is not a size in pixels such as 512" in capsys.readouterr().err


def test_a_missing_package_is_named_before_the_run_is_read(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=r"`pip install 'ipixmatch_jax\[onnx\]'`"
    ):
        run("runs/mine", "--to=a.onnx")
