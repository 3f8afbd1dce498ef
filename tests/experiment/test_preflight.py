"""One list of all that a config lacks, each with its command."""

import importlib.util
import pathlib

import pytest

from ipixmatch_jax.configuration.files import load_file
from ipixmatch_jax.data.registry import open_data
from ipixmatch_jax.experiment import preflight


@pytest.fixture(autouse=True)
def _plain_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(preflight, "find_unsupported", lambda: None)
    monkeypatch.setattr("sys.argv", ["ipixmatch check"])


def installed(monkeypatch, *names):
    found = lambda name: name in names or None  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", found)


def missing(config, **fields):
    return preflight.find_missing(load_file(config, fields))


def lacks(found):
    return [(one.what, one.command, one.needed) for one in found]


def test_everything_is_named_at_once_with_its_command(monkeypatch):
    installed(monkeypatch)
    idle = "an NVIDIA GPU", 'pip install "jax[cuda12]"'
    monkeypatch.setattr(preflight, "find_unsupported", lambda: idle)
    found = lacks(missing("voc.py:r101_1_8"))
    whats, commands, needed = zip(*found, strict=True)
    assert needed == (True, True, True, False, False)
    assert whats[0] == "PASCAL VOC 2012's images and masks at data/voc"
    assert "VOCtrainval_11-May-2012.tar | tar -x -C data/voc" in commands[0]
    assert whats[1].startswith("SBD's masks at data/voc/VOCdevkit/VOC2012/")
    assert commands[1].startswith("ipixmatch prepare voc --source data/voc")
    assert "data/splits/pascal/1_8/labeled.txt" in whats[2]
    assert "data/splits/pascal/val.txt" in whats[2]
    assert commands[2] == (
        "ipixmatch splits download --only pascal --out data/splits"
    )
    assert "random" in whats[3]
    assert commands[3] == (
        "pip install 'ipixmatch_jax[hub]', then add "
        "--config.model.pretrained=timm/resnet101s.gluon_in1k"
    )
    assert commands[4] == 'pip install "jax[cuda12]"'
    lines = preflight.describe(missing("voc.py:r101_1_8"))
    assert lines[0].startswith("1. ") and lines[-2].endswith("(optional)")
    assert len(lines) == 10


def voc(root, augmented):
    for name in ("JPEGImages", "SegmentationClass"):
        (root / name).mkdir(parents=True)
    if augmented:
        (root / "SegmentationClassAug").mkdir()
    lists = pathlib.Path("data/splits/pascal")
    (lists / "1_8").mkdir(parents=True)
    for name in ("1_8/labeled.txt", "1_8/unlabeled.txt", "val.txt"):
        line = "JPEGImages/a.jpg SegmentationClass/a.png\n"
        (lists / name).write_text(line)


@pytest.mark.parametrize("augmented", [True, False])
def test_what_is_there_is_not_named(augmented):
    voc(pathlib.Path("data/voc"), augmented)
    whats = [one.what for one in missing("voc.py:r101_1_8") if one.needed]
    assert len(whats) == (not augmented)
    if whats:
        assert whats == ["SBD's masks at data/voc/SegmentationClassAug"]
        path = pathlib.Path("data/voc/SegmentationClass/a.png")
        path.touch()  # SBD's masks among VOC's own
        assert not any(one.needed for one in missing("voc.py:r101_1_8"))


def test_splits_of_voc_that_need_no_masks_of_sbd():
    whats = [one.what for one in missing("voc.py:r101_92") if one.needed]
    assert not any("SBD" in what for what in whats) and len(whats) == 2


@pytest.mark.parametrize(
    ("source", "modules", "command"),
    [
        ("no.pth", (), "name a file that exists"),
        ("a.pth", (), "pip install 'torch>=2.6'"),
        ("a.pth", ("torch",), None),
        ("a.safetensors", (), None),
        ("timm/a.b", (), "pip install 'ipixmatch_jax[hub]'"),
        ("timm/a.b", ("huggingface_hub",), None),
    ],
)
def test_weights_and_what_reads_them(source, modules, command, monkeypatch):
    installed(monkeypatch, *modules)
    pathlib.Path("a.pth").write_bytes(b"PK\x03\x04rest")
    pathlib.Path("a.safetensors").write_bytes(b"any")
    fields = {"model.pretrained": source}
    found = missing("folder.py:r50", **fields)
    if command is None:
        assert not found
        return
    (one,) = found
    assert one.needed and command in one.command
    assert source in one.what


def test_a_network_for_cpus_lacks_no_weights():
    assert missing("folder.py:tiny") == []


@pytest.mark.parametrize(
    ("config", "root"),
    [("ade20k.py:r101_1_16", "ade20k"), ("coco.py:r101_1_32", "coco")],
)
def test_advice_on_a_download_says_how_a_run_finds_it(config, root):
    words = f"--config.data.root=DIR, unless DIR is data/{root}"
    assert words in missing(config)[0].command
    data = load_file(config, {}).data
    with pytest.raises(
        FileNotFoundError, match=f"no folder data/{root}: "
    ) as e:
        open_data(data.name, data.root, data.splits_dir, data.split)
    assert f"then give {words}." in str(e.value)


def test_a_folder_that_is_not_there_or_not_named():
    with pytest.raises(
        FileNotFoundError, match=r"There is no folder photso\. "
    ):
        open_data("folder", "photso", "", "")
    with pytest.raises(FileNotFoundError, match="Say where your images are: "):
        open_data("folder", "", "", "")


@pytest.mark.parametrize(
    ("config", "parts"),
    [
        ("cityscapes.py:r50_1_8", ("leftImg8bit", "gtFine", "cityscapes/1_8")),
        ("camvid.py:tiny_1_8", ("CamVid", "camvid/splits/1_8")),
        ("ade20k.py:r101_1_16", ("ade20k", "ade20k/1_16")),
        ("coco.py:r101_1_32", ("coco", "coco/1_32")),
    ],
)
def test_other_data_sets(config, parts):
    found = [one for one in missing(config) if one.needed]
    assert len(found) == len(parts)
    for one, part in zip(found, parts, strict=True):
        assert part in one.what and one.command
