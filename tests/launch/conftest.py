"""A host with stand-ins for cluster programs; see launch_host.py."""

import signal

import pytest

from tests.launch.launch_host import Host


@pytest.fixture
def host(tmp_path):
    # A test suite in the background ignores SIGINT, and bash cannot trap a
    # signal that was ignored when it started.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield Host(tmp_path)
    signal.signal(signal.SIGINT, before)
