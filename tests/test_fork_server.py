"""Programs in a fork of the server run as those of a new interpreter."""

import os
import signal
import subprocess
import sys

import pytest

from tests import fork_server

pytestmark = pytest.mark.slow

PRINT = "import os, sys; print(sys.argv, os.getcwd(), os.environ['COLOUR'])"


def run(python, *words, cwd, **environment):
    done = subprocess.run(
        [*python, *words],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def program(tmp_path):
    (tmp_path / "program.py").write_text(PRINT)
    return tmp_path


@pytest.mark.parametrize(
    "words", [("-c", PRINT), ("-m", "program"), ("program.py",)]
)
def test_words_folder_and_environment(words, program):
    expected, found = (
        run(python, *words, "a", "b c", cwd=program, COLOUR="red")
        for python in ((sys.executable,), fork_server.python())
    )
    assert found == expected
    assert found[0] == 0 and found[1].endswith("red\n")


def test_the_libraries_are_there_and_the_package_is_not(tmp_path):
    names = ("jax", "ipixmatch_jax")
    code = f"import sys; print(*[name in sys.modules for name in {names}])"
    found = run(fork_server.python(), "-c", code, cwd=tmp_path)
    assert found == (0, "True False\n", "")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise SystemExit('no')", (1, "", "no\n")),
        ("raise SystemExit(7)", (7, "", "")),
        ("import os; os.kill(os.getpid(), 9)", (-9, "", "")),
    ],
)
def test_how_a_program_ends(code, expected, tmp_path):
    assert run(fork_server.python(), "-c", code, cwd=tmp_path) == expected


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_program(number, tmp_path):
    code = f"""
import os, signal, time
def end(number, frame):
    os.write(1, b"ended\\n")
    signal.signal({number:d}, signal.SIG_DFL)
    signal.raise_signal({number:d})
signal.signal({number:d}, end)
print("ready", flush=True)
time.sleep(60)
"""
    with subprocess.Popen(
        [*fork_server.python(), "-c", code],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.communicate(timeout=60)[0] == "ended\n"
    assert process.returncode == -number


def test_a_program_ends_with_its_client(tmp_path):
    code = "print(flush=True); import time; time.sleep(60)"
    with subprocess.Popen(
        [*fork_server.python(), "-c", code],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
    ) as process:
        process.stdout.readline()
        process.kill()
        # The end of the stream: the program has it open as long as it lives.
        assert process.stdout.read() == b""


def test_variables_that_jax_reads_at_its_start_count(tmp_path):
    code = "import jax; print(jax.config.jax_enable_x64)"
    python = fork_server.python()
    found = run(python, "-c", code, cwd=tmp_path, JAX_ENABLE_X64="1")
    assert found == (0, "True\n", "")


def test_a_server_with_such_variables(tmp_path):
    code = "import jax, sys; print(jax.config.jax_enable_x64, 'flax' in {})"
    python = fork_server.python(JAX_ENABLE_X64="1")
    code = code.format("sys.modules")
    found = run(python, "-c", code, cwd=tmp_path, JAX_ENABLE_X64="1")
    assert found == (0, "True True\n", "")
