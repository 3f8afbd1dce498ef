"""The script of the second study's last step, with a stand-in for Python."""

import os
import pathlib
import select
import shutil
import signal
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(
    shutil.which("bash") is None, reason="there is no bash"
)


@pytest.fixture
def start(tmp_path):
    """start(BODY) runs the script; BODY is what each sweep does in sh."""

    def start_script(body):
        program = tmp_path / "python"
        program.write_text(
            f"#!/bin/sh\n[ $2 = benchmarks.study_rows ] && exit\n{body}\n"
        )
        program.chmod(0o755)
        given = [tmp_path / name for name in ("animals", "camvid", "w", "out")]
        for path in given[:3]:
            path.mkdir()
        return subprocess.Popen(
            ["bash", ROOT / "benchmarks/confirm.sh", *given],
            env={**os.environ, "PYTHON": str(program), "PROCESSES": "2"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start_script


def test_each_process_takes_part_in_every_arm(start, tmp_path):
    script = start('echo "$@"')
    _, said = script.communicate(timeout=60)
    assert (script.returncode, said) == (0, "")
    for process in range(2):
        log = (tmp_path / f"out/process_{process}.log").read_text()
        folders = {line.rpartition(" ")[2] for line in log.splitlines()}
        assert folders == {
            f"{tmp_path}/out/{data}/{arm}"
            for data in ("camvid_23", "voc_animals_50")
            for arm in ("host", "cell_6", "cell_11")
        }


def test_a_process_that_fails_is_named(start, tmp_path):
    script = start("exit 3")
    _, said = script.communicate(timeout=60)
    assert script.returncode == 1
    assert f"Process 1 did not end well: {tmp_path}/out/process_1.log" in said


def test_a_signal_reaches_every_sweep(start, tmp_path):
    began = tmp_path / "began"
    os.mkfifo(began)
    line = os.open(began, os.O_RDWR)
    script = start(
        f"trap 'echo stopped; exit 143' TERM; echo >{began}\n"
        "while :; do sleep 0.1; done"
    )
    for _ in range(2):
        assert select.select([line], [], [], 60)[0]
        os.read(line, 1)
    os.close(line)
    script.send_signal(signal.SIGTERM)
    script.communicate(timeout=60)
    assert script.returncode == 1
    for process in range(2):
        log = (tmp_path / f"out/process_{process}.log").read_text()
        assert log == "stopped\n"
