"""Files are recognised by content and read without running any code."""

import json
import os
import pathlib
import pickle
import sys
import warnings

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from ipixmatch_jax.models.weights import files

TENSORS = {
    "a.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a.steps": np.array(7),
}


@pytest.fixture
def torch():
    with warnings.catch_warnings(action="ignore"):
        return pytest.importorskip("torch", minversion="2.6")


class Bomb:
    """An object whose unpickling makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def same(read, expected=TENSORS):
    assert set(read) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(read[name], value)


def test_safetensors_under_any_name(tmp_path):
    path = tmp_path / "weights.pth"
    save_file(TENSORS, path)
    tensors, network = files.read_tensors(path)
    same(tensors)
    assert network == ""
    with pytest.raises(ValueError, match=r"has no network 'model'"):
        files.read_tensors(path, "model")


def test_bfloat16_of_safetensors(tmp_path):
    header = {"x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}
    text = json.dumps(header).encode()
    # 1.5 and -2.5 as the upper halves of their float32 bits.
    body = np.uint16([0x3FC0, 0xC020]).tobytes()
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)
    tensors, _ = files.read_tensors(path)
    assert np.float32(tensors["x"]).tolist() == [1.5, -2.5]


def test_a_transposed_view_is_written_correctly(tmp_path):
    path = tmp_path / "new" / "x.safetensors"
    kernel = np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1)
    files.write_tensors(path, {"k": kernel})
    np.testing.assert_array_equal(load_file(path)["k"], kernel)
    assert [p.name for p in path.parent.iterdir()] == ["x.safetensors"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html>\n<html>", "neither a safetensors nor a torch"),
        (b"version https://git-lfs.github.com/spec/v1\n", "version https"),
        (b"\x00" * 100, "neither a safetensors nor a torch"),
    ],
)
def test_an_unknown_file_is_refused_with_its_first_bytes(
    tmp_path, content, words
):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=words) as caught:
        files.read_tensors(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept", [9, 60, -1])
def test_a_cut_off_safetensors_file(tmp_path, kept):
    path = tmp_path / "w.safetensors"
    save_file(TENSORS, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"cut-off safetensors.*again\.$"):
        files.read_tensors(path)


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "header",
    [
        {"x": ENTRY | {"dtype": "F13"}},
        {"x": ENTRY | {"dtype": "F8_E5M2"}},
        {"x": ENTRY | {"shape": [-2]}},
        {"x": ENTRY | {"shape": [2**40, 2**40]}},
        {"x": ENTRY | {"shape": "2"}},
        {"x": ENTRY | {"data_offsets": [0, 800]}},
        {"x": ENTRY | {"data_offsets": [8, 0]}},
        {"x": {}},
        {"x": 3},
        {"__metadata__": 3, "x": ENTRY},
        {"__metadata__": {"a": 1}, "x": ENTRY},
    ],
)
def test_an_odd_header_of_safetensors_is_one_sentence(tmp_path, header):
    path = tmp_path / "w.safetensors"
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))
    with pytest.raises(ValueError, match=r"cut-off safetensors.*again\.$") as e:
        files.read_tensors(path)
    assert str(path) in str(e.value)
    assert "\n" not in str(e.value)


def test_an_absent_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"w\.pth: there is no such"):
        files.read_tensors(tmp_path / "w.pth")


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"\x80\x02"])
def test_without_torch_its_files_say_what_to_install(
    tmp_path, monkeypatch, start
):
    monkeypatch.setitem(sys.modules, "torch", None)
    path = tmp_path / "resnet50.pth"
    path.write_bytes(start + bytes(100))
    with pytest.raises(ValueError, match=r"pip install 'torch>=2\.6'"):
        files.read_tensors(path)
    with pytest.raises(ValueError, match="needs torch"):
        files.write_tensors(tmp_path / "out.pth", TENSORS)


def test_an_old_torch_is_not_trusted(tmp_path, monkeypatch):
    class Old:
        __version__ = "2.5.1+cpu"

    monkeypatch.setitem(sys.modules, "torch", Old)
    path = tmp_path / "resnet50.pth"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match=r"2\.5\.1\+cpu does not"):
        files.read_tensors(path)


def test_an_unknown_suffix_is_refused_for_writing(tmp_path):
    with pytest.raises(ValueError, match=r"use \.safetensors"):
        files.write_tensors(tmp_path / "x.npz", TENSORS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("zipped", [True, False])
def test_torch_files_of_both_formats(tmp_path, torch, zipped):
    path = tmp_path / "weights.safetensors"
    tensors = {name: torch.tensor(value) for name, value in TENSORS.items()}
    torch.save(tensors, path, _use_new_zipfile_serialization=zipped)
    same(files.read_tensors(path)[0])


def test_torch_reads_a_written_torch_file(tmp_path, torch):
    path = tmp_path / "weights.pth"
    files.write_tensors(path, TENSORS)
    same({k: v.numpy() for k, v in torch.load(path).items()})


def test_the_averaged_network_of_a_checkpoint_comes_first(tmp_path, torch):
    """A checkpoint as UniMatch V2 saves it; the score is a NumPy scalar."""
    path = tmp_path / "best.pth"
    checkpoint = {
        "model": {"module.a": torch.zeros(2)},
        "model_ema": {"module.a": torch.ones(2).bfloat16()},
        "optimizer": {"state": {0: torch.ones(1)}, "param_groups": [{"lr": 1}]},
        "epoch": 3,
        "previous_best": np.float64(70.5),
    }
    torch.save(checkpoint, path)
    tensors, network = files.read_tensors(path)
    assert network == "model_ema"
    same(tensors, {"module.a": np.ones(2)})
    tensors, network = files.read_tensors(path, "model")
    assert network == "model"
    same(tensors, {"module.a": np.zeros(2)})
    del checkpoint["model_ema"]
    torch.save(checkpoint, path)
    assert files.read_tensors(path)[1] == "model"
    with pytest.raises(ValueError, match="'model_ema'; it holds model"):
        files.read_tensors(path, "model_ema")


@pytest.mark.parametrize("kind", ["torch", "torch legacy", "pickle"])
def test_a_pickle_that_wants_to_run_code_runs_none(tmp_path, torch, kind):
    path, made = tmp_path / "evil.pth", tmp_path / "made"
    content = {"model": {"a": torch.zeros(2)}, "extra": Bomb(made)}
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Bomb(made), protocol=2))
    else:
        legacy = kind == "torch legacy"
        torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(ValueError, match=r"Nothing in it was run") as caught:
        files.read_tensors(path)
    assert "mkdir" in str(caught.value)
    assert not made.exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_cut_off_torch_file(tmp_path, torch, zipped):
    path = tmp_path / "w.pth"
    tensors = {name: torch.tensor(value) for name, value in TENSORS.items()}
    torch.save(tensors, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    for kept in range(4, len(whole), 37):
        path.write_bytes(whole[:kept])
        with pytest.raises(ValueError, match=rf"{path.name} is"):
            files.read_tensors(path)


def test_torch_files_of_odd_tensors_are_one_sentence(tmp_path, torch):
    path = tmp_path / "w.pth"
    odd = {
        "sparse": torch.eye(3).to_sparse(),
        "meta": torch.empty(3, device="meta"),
        3: torch.zeros(2),
    }
    for name, tensor in odd.items():
        torch.save({"a": torch.zeros(1), name: tensor}, path)
        with pytest.raises(ValueError, match=str(name)) as error:
            files.read_tensors(path)
        assert str(path) in str(error.value)
    with warnings.catch_warnings(action="ignore"):
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))
    with pytest.raises(ValueError, match=r"w\.pth"):
        files.read_tensors(path)


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {}])
def test_torch_files_without_named_tensors(tmp_path, torch, content):
    path = pathlib.Path(tmp_path / "w.pth")
    torch.save(content, path)
    with pytest.raises(ValueError, match="tensors by name"):
        files.read_tensors(path)
