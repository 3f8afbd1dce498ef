"""A host whose cluster programs are replaced; see launch_host.py."""

import signal

import pytest

from tests.launch.launch_host import Host


@pytest.fixture
def host(tmp_path):
    # A suite in the background ignores SIGINT, and bash cannot trap what was
    # ignored when it began.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield Host(tmp_path)
    signal.signal(signal.SIGINT, before)
