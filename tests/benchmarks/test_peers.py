"""The benchmark beside PyTorch: equal networks, and its table."""

import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import deeplab_ours, peers, term_ours, unimatch_v2_ours
from tests.losses.inter_pixel import twin

PARAMETERS = 24_795_637  # of UniMatch V2's DINOv2-S with 21 classes
R50_PARAMETERS = 40_475_957  # of UniMatch v1's network with 21 classes

# The peak before and after an array of 256 MiB, without it, and forgotten.
_PROGRAM = """
import numpy as np
from benchmarks import peers

peers.forget_peak()
peaks = [peers.peak_resident()]
block = np.ones(2**25)
peaks.append(peers.peak_resident())
del block
peaks.append(peers.peak_resident())
peers.forget_peak()
peaks.append(peers.peak_resident())
print(*(after - before for before, after in zip(peaks, peaks[1:])))
"""


def test_our_side_has_the_reference_networks_parameters():
    assert unimatch_v2_ours.count_parameters() == PARAMETERS


def test_the_peer_has_them_too_and_steps():
    pytest.importorskip("torch")
    from benchmarks import unimatch_v2_torch

    assert unimatch_v2_torch.count_parameters() == PARAMETERS
    step = unimatch_v2_torch.build_step(peers.Setting(28, 2, 1))
    first = step()
    # An untrained network of 21 classes.
    assert first == pytest.approx(np.log(21) / 2, rel=0.5)
    assert step() < first


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports it")
def test_the_resident_memory_follows_what_is_in_use():
    # In a process of its own: this one may hold free memory to fill again.
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        capture_output=True,
        text=True,
        check=True,
    )
    first, second, third = map(float, done.stdout.split())
    assert first > 0.9 * 2**28
    assert abs(second) < 0.1 * 2**28  # The peak outlives the array,
    assert third < -0.9 * 2**28  # and is forgotten on demand.


def test_the_table_has_both_sides_or_ours_alone():
    ours = {
        "median_seconds": 0.5,
        "median_cpu_seconds": 0.9,
        "seconds": [0.4, 0.5, 0.75],
        "peak_bytes": 2**31,
    }
    theirs = {**ours, "median_seconds": 1.0, "peak_bytes": None}
    alone = {"step": "unimatch_v2", "side": 70, "batch": 2, "ours": ours}
    ratios = {
        "ours_over_torch_seconds": 0.5,
        "ours_over_torch_cpu_seconds": 0.7,
    }
    both = alone | {"torch": theirs, **ratios}
    _, _, first, second = peers.table([alone, both]).splitlines()
    assert first == (
        "| unimatch_v2 | 70 | 2 + 2 | 0.5 s (0.4 to 0.75), 0.9 of processors "
        "| - | - | - | 2.00 GiB | - |"
    )
    assert "| torch: 1 s (0.4 to 0.75), 0.9 of processors |" in second
    assert "| 0.50 | 0.70 | 2.00 GiB | - |" in second


def test_every_peer_of_a_row_has_a_line():
    side = {
        "median_seconds": 1.0,
        "median_cpu_seconds": 1.0,
        "seconds": [1.0],
        "peak_bytes": 2**30,
    }
    row = {"step": "forward", "side": 65, "batch": 1, "ours": side}
    row |= {"torch": side, "onnxruntime": side}
    row["ours_over_onnxruntime_cpu_seconds"] = 1.25
    _, _, first, second = peers.table([row]).splitlines()
    assert first.startswith("| forward | 65 | 1 |")
    assert "| torch: 1 s" in first
    assert "| onnxruntime: 1 s" in second
    assert "| - | 1.25 | 1.00 GiB | 1.00 GiB |" in second


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--names=unimatch", "--batch=1"], "--batch=1: CutMix takes the"),
        (["--names=forward,step"], "--names=step is none of unimatch_v2, "),
    ],
)
def test_what_cannot_be_measured_is_refused(
    words, sentence, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "argv", ["peers", *words])
    with pytest.raises(SystemExit):
        peers.arguments()
    assert sentence in capsys.readouterr().err.splitlines()[-1]


def test_a_worker_takes_its_turns(monkeypatch, tmp_path):
    """With a side that sleeps instead of training."""
    (tmp_path / "sleeper.py").write_text(
        "import time\n"
        "count_parameters = lambda: 3\n"
        "build_step = lambda setting: lambda: time.sleep(1e-3)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setitem(peers.STEPS, "sleep", {"ours": "sleeper"})
    found = peers.measure(peers.Setting(70, 2, 1, step="sleep"), 2, 3)
    assert len(found["ours"]["seconds"]) == 6
    assert len(found["ours"]["cpu_seconds"]) == 6
    assert found["ours"]["median_seconds"] >= 1e-3
    assert found["ours"]["parameters"] == 3
    assert "torch" not in found
    json.dumps(found)


def test_the_networks_of_deeplab_have_the_reference_parameters():
    assert deeplab_ours.count_parameters() == R50_PARAMETERS


def test_the_peer_of_deeplab_has_them_too_and_steps():
    pytest.importorskip("torch")
    from benchmarks import deeplab_torch, unimatch_torch

    assert deeplab_torch.count_parameters() == R50_PARAMETERS
    step = unimatch_torch.build_step(peers.Setting(33, 2, 1))
    assert 0 < step() < 2 * np.log(21)


@pytest.mark.parametrize(
    "reading", ["channel/kl", "channel/correlation", "pixel/kl"]
)
def test_both_sides_of_a_reading_give_its_value(reading):
    setting = peers.Setting(9, 2, 1, step=reading)
    relation, distance = reading.split("/")
    q, p = term_ours.draw_logits(setting)
    expected = twin.per_image(
        q,
        p,
        np.ones(q.shape[:3], bool),
        relation=relation,
        distance=distance,
        temperature=1.0,
        threshold=0.0,
    ).mean()
    step = term_ours.build_step(setting)
    np.testing.assert_allclose(step(), expected, rtol=1e-4)
    pytest.importorskip("torch")
    from benchmarks import term_torch

    step = term_torch.build_step(setting)
    np.testing.assert_allclose(step(), expected, rtol=1e-4)
