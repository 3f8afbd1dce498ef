"""Freed memory stays in the process, and only where jax uses the CPU."""

import pathlib
import subprocess
import sys

import pytest

from ipixmatch_jax.cli import freed_memory
from ipixmatch_jax.utils.accelerators import computes_on_cpu

# Page faults of two arrays of 64 MiB, freed before, in a thread as jax's.
_PROGRAM = """
import resource, sys, threading
import numpy as np
from ipixmatch_jax.cli.freed_memory import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory({"JAX_PLATFORMS": "cpu"})

def touch():
    np.ones(2**24, np.float32)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(2):
        np.ones(2**24, np.float32)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

thread = threading.Thread(target=touch)
thread.start()
thread.join()
"""


# How much of 256 MiB, freed before, goes back once a program is compiled.
_COMPILES = """
import pathlib, resource
from ipixmatch_jax.cli import freed_memory

freed_memory.keep_freed_memory({"JAX_PLATFORMS": "cpu"})
freed_memory._LEAST_SECONDS = 0.0

import jax
import numpy as np

def resident():
    pages = pathlib.Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()

blocks = [np.ones(2**17) for _ in range(256)]
last = np.ones(1)
before = resident()
del blocks
kept = resident()
jax.jit(lambda x: x + 1)(1.0)
print((before - kept) / 2**28, (before - resident()) / 2**28)
"""


def printed(program, *words):
    """What a process of its own prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def faults(word):
    # Huge pages would take one fault for 512 pages.
    code = "import ctypes; ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)\n"
    return int(printed(code + _PROGRAM, word))


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_freed_memory_takes_no_page_faults():
    if faults("give back") < 2**14:
        pytest.skip("this system does not count page faults")
    assert faults("keep") < 1000


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_what_the_compiler_has_freed_goes_back():
    at_once, once_compiled = map(float, printed(_COMPILES).split())
    assert abs(at_once) < 0.1
    assert once_compiled > 0.8


@pytest.mark.parametrize(
    "environment",
    [
        {"JAX_PLATFORMS": "cuda"},
        {"JAX_PLATFORMS": "cpu", "MALLOC_ARENA_MAX": "2"},
        {"JAX_PLATFORMS": "cpu", "LD_PRELOAD": "libjemalloc.so"},
        {"JAX_PLATFORMS": "cpu", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
    ],
)
def test_accelerators_and_the_users_choice_stay(environment):
    assert not freed_memory.keep_freed_memory(environment)


@pytest.mark.parametrize(
    ("asked", "plugins", "device", "expected"),
    [
        ("cpu", ["jax_cuda12_plugin"], "nvidia0", True),
        ("cpu,cuda", ["jax_cuda12_plugin"], "nvidia0", True),
        ("cuda,cpu", ["jax_cuda12_plugin"], "nvidia0", False),
        ("", ["jax_cuda12_plugin"], "nvidia0", False),
        ("", ["jax_cuda12_plugin"], None, True),  # a plugin and no GPU
        ("", [], "nvidia0", True),  # a GPU that jax cannot use
        ("", ["libtpu"], None, False),
        ("", [], None, True),
    ],
)
def test_where_jax_will_compute(tmp_path, asked, plugins, device, expected):
    (tmp_path / "dev").mkdir()
    if device:
        pathlib.Path(tmp_path / "dev" / device).touch()
    found = computes_on_cpu(
        {"JAX_PLATFORMS": asked},
        tmp_path,
        lambda name: name if name in plugins else None,
    )
    assert found is expected
