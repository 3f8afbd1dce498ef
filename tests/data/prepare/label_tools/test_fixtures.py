"""The committed exports are what the label tools' own programs write today.

They run in a Python of their own, which LABEL_TOOLS_PYTHON names; see
CONTRIBUTING.md.
"""

import os
import pathlib
import subprocess

import numpy as np
import pytest

from tests.data.prepare.label_tools import golden

PYTHON = os.environ.get("LABEL_TOOLS_PYTHON", "")
SCRIPT = pathlib.Path(__file__).with_name("write_fixtures.py")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="LABEL_TOOLS_PYTHON is not set"),
]


def test_the_tools_write_these_files(tmp_path):
    done = subprocess.run(
        [PYTHON, str(SCRIPT), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert golden.files(tmp_path) == golden.files(golden.FIXTURES)
    for name in golden.files(tmp_path):
        old, new = golden.FIXTURES / name, tmp_path / name
        if name.endswith(".png"):
            golden.equal(new, golden.pixels(old))
        elif name.endswith(".npz"):
            with np.load(old) as one, np.load(new) as other:
                assert sorted(one) == sorted(other)
                for key in one:
                    np.testing.assert_array_equal(one[key], other[key])
        else:
            assert new.read_bytes() == old.read_bytes(), name
