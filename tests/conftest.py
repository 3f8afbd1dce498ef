"""Eight virtual CPU devices, parsed flags, one compilation cache."""

import gc
import itertools
import os
import pathlib
import signal

from tests import xla_flags

# Set before jax starts: the suite runs on the CPU as eight virtual devices.
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = " ".join(
    (os.environ.get("XLA_FLAGS", ""), xla_flags.with_devices(8))
)
# These tests spend most of their time compiling.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR",
    str(pathlib.Path(__file__).resolve().parents[1] / ".cache" / "jax"),
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
# Programs need not say which line of Python each operation comes from.
os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")

import jax
import pytest
from absl import flags

from ipixmatch_jax.cli import prepare_jax
from ipixmatch_jax.cli.garbage import collect_garbage_seldom
from ipixmatch_jax.utils.file_names import printable

# The next module often computes with operations that this one compiled.
_MODULES_PER_FREEING = 8
_slow_modules = itertools.count(1)

SHARED = pathlib.Path(__file__).resolve().parents[2] / "shared"


def pytest_configure(config):
    collect_garbage_seldom()
    # Under nohup and in the background of a script the suite, and every
    # process that it starts, would ignore them.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # grain's prefetch reads an absl flag, which pytest never parses.
    flags.FLAGS.mark_as_parsed()


def pytest_collection_finish():
    gc.freeze()  # Imports and tests stay: no use to walk them again and again.


def pytest_sessionfinish():
    jax.clear_caches()  # Sooner than Python's collector, which pytest calls.


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    # Workers send what a test has logged as UTF-8, and stop where it is not.
    report = yield
    report.sections = [(n, printable(text)) for n, text in report.sections]
    return report


@pytest.fixture(scope="session", autouse=True)
def _leave_the_process():
    """A command called here would change a worker for good."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare_jax, "set_compiler_flags", lambda: False)
        patch.setattr(prepare_jax, "keep_freed_memory", lambda: False)
        yield


@pytest.fixture(scope="module", autouse=True)
def _free_programs(request):
    """Frees what modules compiled: a worker would grow to 6 GB."""
    yield
    slow = request.node.get_closest_marker("slow")
    if slow and next(_slow_modules) % _MODULES_PER_FREEING == 0:
        jax.clear_caches()


def _shared(name: str) -> pathlib.Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{name} is not beside this checkout")
    return path


@pytest.fixture(scope="session")
def camvid():
    """CamVid's root (480x360, 11 classes)."""
    return _shared("data/camvid")


@pytest.fixture(scope="session")
def voc_mini():
    """A root in PASCAL VOC's layout with 20 train and 12 val images."""
    return _shared("data/voc_mini/VOCdevkit/VOC2012")


@pytest.fixture(scope="session")
def published_splits():
    """The published lists: pascal/ and cityscapes/."""
    return _shared("data/splits")


@pytest.fixture(scope="session")
def reference():
    """Golden numbers of the reference systems."""
    return _shared("reference")
