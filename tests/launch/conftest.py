"""A host whose cluster programs are replaced; see launch_host.py."""

import pytest
from launch_host import Host


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)
