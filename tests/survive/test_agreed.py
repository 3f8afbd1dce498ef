"""Two processes agree on which checkpoints are broken and which is used."""

import json

import pytest

from tests.survive.disk import small_disk
from tests.survive.process_run import HERE, ended, free_port, start

pytestmark = pytest.mark.slow


def test_two_processes_take_the_same_checkpoint(tmp_path):
    with small_disk(tmp_path / "run", 16) as workdir:
        words = [str(workdir), f"localhost:{free_port()}"]
        script = str(HERE / "agree_main.py")
        processes = [start([script, *words, str(i)], 1) for i in range(2)]
        for code, said in ended(processes):
            assert code == 0, said
            assert json.loads(said.splitlines()[-1]) == {
                "second lock refused": True,
                "reader refused": True,
                "steps": [4],
                "values": [4.0],
                "full disk noticed": True,
                "best left": 4,
                "steps after it": [4, 10],
                "none left refused": True,
            }, said
