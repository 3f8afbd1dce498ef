"""The scaling benchmark's counts, and the cost model checked by hand."""

import json
import os
import pathlib
import subprocess

import pytest

from benchmarks import topology
from tests import fork_server, xla_flags

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(*command, **environment):
    return subprocess.run(
        [*fork_server.python(), *command],
        cwd=ROOT,
        env=os.environ
        | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": xla_flags.QUICK}
        | environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


# Run in a process of its own, since importing the script defines flags.
COSTS = """
from benchmarks import cost_model as c

def near(a, b):
    assert abs(a / b - 1) < 1e-9, (a, b)

# Four chips of 10 bytes/s in groups of two, 5 bytes/s between these.
toy = c.Cluster(peak=1000.0, inner=10.0, group=2, outer=5.0)
assert c.all_reduce_seconds(100.0, 1, toy) == 0
near(c.all_reduce_seconds(100.0, 2, toy), 10.0)  # 2 x 1/2 x 100 / 10
# and 2 x 1/2 x 50 / 5 = 10 more between two groups
near(c.all_reduce_seconds(100.0, 4, toy), 20.0)
# 2 x 3/4 x 50 / 5 = 15 between four
near(c.all_reduce_seconds(100.0, 8, toy), 25.0)
near(c.compute_seconds(500.0, toy, 0.25), 2.0)
near(c.bound_below(500.0, 100.0, 4, toy, 0.25), 10.0)
near(c.latency_budget(500.0, 8, toy, 0.25), 0.25)
near(c.input_bytes(3.0, 500.0, toy, 0.25), 3.0)

# 238 MB over a whole v5e pod: 2 x 255/256 x 238e6 / 200e9 s.
near(c.all_reduce_seconds(238e6, 256, c.CLUSTERS["v5e"]), 2.370703125e-3)
# One DGX H100: 2 x 7/8 x 238e6 / 450e9 s.
near(c.all_reduce_seconds(238e6, 8, c.CLUSTERS["H100"]), 9.2555555556e-4)
rows = c.rows(1e12, 238e6, 0, 0.5, [8, 1024])
assert [(r["chip"], r["chips"]) for r in rows][::2] == [
    ("v5e", 8), ("v5p", 8), ("H100", 8)
]
near(rows[0]["pair_seconds"], 1e12 / 98.5e12)
print(c.table(rows))
"""


def test_the_cost_model_equals_calculations_by_hand():
    lines = run("-c", COSTS).splitlines()
    assert lines[0].startswith("| chip | chips | all-reduce |")
    assert lines[2].startswith("| v5e | 8 | 2.08 ms | 10.15 ms | 0.21 pairs")
    assert len(lines) == 2 + 6


COUNTS = """
from benchmarks import scaling as s
text = '''
ENTRY %main {
  %a = f32[100,1000]{1,0} parameter(0)
  %b = f32[8]{0} parameter(1)
  %c = (f32[100,1000]{1,0}, f32[8]{0}) all-reduce(%a, %b), channel_id=1
  %d = bf16[4,8]{1,0} all-gather(%b), channel_id=2
}
'''
found = s.moved(text, 4)
assert found["operations"] == 2, found
assert found["arrays"] == {"all-reduce": 2, "all-gather": 1}, found
assert found["payload_bytes"] == {"all-reduce": 400032, "all-gather": 64}
assert found["small_arrays"] == 2
# 2 x 3/4 of what is reduced, 3/4 of what is gathered.
assert found["sent_bytes"] == 600048 + 48
assert s.ring_bytes("collective-permute", 10, 4) == 10
assert s.ring_bytes("reduce-scatter", 8, 4) == 6
"""


def test_collectives_and_their_bytes_in_a_ring_are_counted():
    run("-c", COUNTS)


CELLS = """
import sys
from absl import flags
from benchmarks import scaling as s
flags.FLAGS([sys.argv[0], "--devices=2,1", "--per_device=2", "--total=8"])
assert s.cells() == [
    ("weak", 1, 2), ("weak", 2, 4), ("strong", 1, 8), ("strong", 2, 8)
]
flags.FLAGS([sys.argv[0], "--devices=2", "--per_device=4", "--total=0"])
assert s.cells() == [("weak", 2, 8)]
"""


def test_weak_and_strong_scaling_each_give_their_rows():
    run("-c", CELLS)


# Four of the eight virtual devices stand for a TPU slice.
TOPOLOGY = """
import sys
import jax
from absl import flags
from benchmarks import scaling as s
from tests import two_convolutions
s.topology.devices = lambda name: jax.devices()[4:]
given = ["--topology=v5e:2x2", "--per_device=2", "--total=0"]
small = ["--config.data.crop_size=17"]
small += [f"--config.model.backbone={two_convolutions.NAME}"]
config = "--config=configs/shapes.py:tiny_1_16,method=supervised"
# config_flags looks for overrides in sys.argv.
sys.argv = [sys.argv[0], config, *small, *given]
flags.FLAGS(sys.argv)
assert s.cells() == [("weak", 4, 8)]
row = s.measure(flags.FLAGS.config, 4, 8)
assert set(row["arrays"]) == {"all-reduce"}
sent = row["payload_bytes"]["all-reduce"] * 1.5
assert row["sent_bytes"] == sent
"""


def test_a_tpu_slice_replaces_the_devices_of_this_machine():
    run("-c", TOPOLOGY, XLA_FLAGS=xla_flags.with_devices(8))


def test_an_unknown_slice_is_refused_in_one_sentence():
    with pytest.raises(ValueError, match="Cannot compile for --topology=v0:9"):
        topology.devices("v0:9")


def test_the_command_writes_the_rows_that_it_prints(tmp_path):
    path = tmp_path / "scaling.json"
    printed = run(
        *("-m", "benchmarks.scaling", "--devices=2", "--total=0"),
        *("--config", "configs/shapes.py:tiny_1_16,method=supervised"),
        *("--config.data.crop_size=17", "--json", str(path)),
    )
    (row,) = json.loads(path.read_text(encoding="utf-8"))["rows"]
    assert f"| weak | 2 | 4 | {row['flops'] / 1e9:.4g} |" in printed
    assert row["flops"] > 0
    assert row["planned_bytes"] > 0
    assert row["accessed_bytes"] > 0
    # Data parallelism needs sums only; each of two devices sends them once.
    assert set(row["arrays"]) == {"all-reduce"}
    assert row["sent_bytes"] == row["payload_bytes"]["all-reduce"] > 1e6
