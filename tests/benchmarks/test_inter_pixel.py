"""The inter-pixel benchmark: naive versions, fitted exponent, table."""

import json
import os
import pathlib
import subprocess

import numpy as np
import pytest

from tests import fork_server
from tests.losses.inter_pixel import twin as twin

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("distance", ["mse", "correlation", "kl"])
def test_the_naive_version_equals_the_definition(distance):
    from benchmarks import inter_pixel_naive

    rng = np.random.default_rng(0)
    q, p = rng.standard_normal((2, 2, 3, 4, 5)).astype(np.float32)
    valid = np.ones((2, 3, 4), bool)
    value, _ = inter_pixel_naive.value_and_grad(distance)(q, p, valid)
    expected = twin.per_image(
        q,
        p,
        valid,
        relation="affinity",
        distance=distance,
        temperature=1.0,
        threshold=0.0,
    )
    np.testing.assert_allclose(value, expected.mean(), rtol=1e-4)


# Run in a process of its own, since importing the script defines flags.
CHECK = """
from benchmarks import inter_pixel as b
cells = {s: {"seconds": 3e-9 * (s * s) ** 2.0} for s in (41, 81, 161)}
cells[41]["seconds"] = 1.0  # too small to count
cells[321] = {"temporary_bytes": 7_000_000}
assert abs(b.exponent(cells) - 2) < 1e-9
assert b.exponent({81: {"seconds": 1.0}}) is None
assert b.expected_seconds({}, 41, True) == 0
assert b.expected_seconds({10: {"seconds": 1.0}}, 20, True) == 16
assert b.expected_seconds({10: {"seconds": 1.0}}, 20, False) == 4
rows = {"ours": cells}
rows["theirs"] = {41: {"temporary_bytes": 1e6, "moved_bytes": 2e7}}
print(b.table({"a/b": rows}, [41, 81, 161, 321]))
"""


def run(*command):
    return subprocess.run(
        [*fork_server.python(), *command],
        cwd=ROOT,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_the_fitted_exponent_and_the_table():
    lines = run("-c", CHECK).splitlines()
    assert (
        lines[0] == "| reading | version | 41² | 81² | 161² | 321² | exponent |"
    )
    assert lines[2].startswith("| a/b | ours | 1e+03 ms | ")
    assert lines[2].endswith(" | -, 7 MB | 2.00 |")
    assert lines[3].startswith("| a/b | theirs | 20 MB moved, 1 MB | - |")


@pytest.mark.parametrize("reading", ["affinity/mse", "affinity/kl"])
def test_the_command_writes_the_rows_that_it_prints(tmp_path, reading):
    path = tmp_path / "loss.json"
    command = ["-m", "benchmarks.inter_pixel", "--sides=7", "--classes=3"]
    few = [f"--readings={reading}", "--repeats=1", "--json", str(path)]
    printed = run(*command, *few)
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    assert set(rows[reading]) - {"torch"} == {"ours", "naive"}
    for version in ("ours", "naive"):
        assert f"| {reading} | {version} |" in printed
        cell = rows[reading][version]["7"]
        assert cell["seconds"] > 0
        assert cell["temporary_bytes"] > 0


SHARE = """
from benchmarks import inter_pixel_share as b
from ipixmatch_jax.configs import shapes
config = shapes.get_config()
before = config.to_dict()
term = b.with_term(config, "affinity/kl", 4).inter_pixel
assert b.without_term(config).inter_pixel.weight == 0
assert (term.relation, term.distance) == ("affinity", "kl")
assert (term.weight, term.stride) == (1.0, 4)
assert config.to_dict() == before
assert abs(b.share(8.0, 10.0) - 0.2) < 1e-9
row = {"reading": "x", "stride": 4, "seconds_per_step": 0.5, "share": 0.2}
print(b.table([row]))
"""


def test_the_share_compares_the_host_with_and_without_the_reading():
    assert run("-c", SHARE).endswith("| x | 4 | 0.5 | 20.0% |\n")
