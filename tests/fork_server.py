"""Starts Python programs from a process that has imported the libraries.

Importing jax, flax, orbax and grain takes a program more than a second, and the
suite starts a hundred. A server imports them once, and each program is a fork
of it, which still imports the package and starts jax itself.

    python tests/fork_server.py ADDRESS    serves until its stdin is closed

tests/fork_client.py asks for a program. A handler, a fork of its own, waits for
each program's end, passes signals on to it, and kills it when its client has
gone.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import pathlib
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import types

LIBRARIES = (
    *("jax", "flax.linen", "optax", "orbax.checkpoint", "grain"),
    *("PIL.Image", "tensorboardX", "tensorflow_datasets", "tifffile"),
)
# An answer to a client whose environment is not the server's.
START_ALONE = bytes(3)
HERE = pathlib.Path(__file__).resolve()


@functools.cache
def python(**environment: str) -> tuple[str, ...]:
    """The words that start Python as `sys.executable` does, only sooner.

    They take `-c CODE`, `-m MODULE` or a file, and what follows it. The process
    that they start is not the program: its id is another one, and the program
    ends a moment after it if it gets SIGKILL.

    Args:
      **environment: variables that jax reads when it is imported, and that the
        programs have. A program with others starts alone.
    """
    if sys.platform != "linux":
        return (sys.executable,)
    address = os.path.join(tempfile.mkdtemp(), "socket")
    given = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    server = subprocess.Popen(
        [sys.executable, str(HERE), address],
        env=given | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    atexit.register(server.communicate)
    assert server.stdout.readline(), "the fork server did not start"
    client = str(HERE.with_name("fork_client.py"))
    return (sys.executable, "-I", "-S", client, address)


def serve(address: str) -> dict:
    """Serves until stdin is closed; returns, in a fork, what to run there.

    At the end the folder of `address` is removed: workers of the suite end
    without their exit handlers.
    """
    for name in LIBRARIES:
        importlib.import_module(name)
    # The collector would copy all that the forks share when they end.
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    listener.close()
                    return handle(connection)
    shutil.rmtree(os.path.dirname(address))
    sys.exit()


def handle(connection: socket.socket) -> dict:
    """Waits for a program's end; returns, in its fork, what to run."""
    header, files, *_ = socket.recv_fds(connection, 4, 3)
    with connection.makefile("rb") as stream:
        request = json.loads(stream.read(int.from_bytes(header)))
    if read_at_start(request["environment"]) != read_at_start(os.environ):
        connection.sendall(START_ALONE)
        os._exit(0)
    program = os.fork()
    if program == 0:
        for place, file in enumerate(files):
            os.dup2(file, place)
            os.close(file)
        return request

    def signal_program():
        with contextlib.suppress(ProcessLookupError):
            while number := connection.recv(1):
                os.kill(program, ord(number))
            os.kill(program, signal.SIGKILL)

    threading.Thread(target=signal_program, daemon=True).start()
    _, status = os.waitpid(program, 0)
    code = os.waitstatus_to_exitcode(status)
    connection.sendall(code.to_bytes(2, signed=True))
    os._exit(0)


def read_at_start(environment) -> dict[str, str]:
    """The variables that Python, its locale and jax read when they start."""
    names = [n for n in environment if n.startswith(("JAX_", "PYTHON", "L"))]
    passed_on = ("PYTHONPATH", "PYTHON")  # The launchers read the other one.
    return {n: environment[n] for n in names if n not in passed_on}


def run(cwd: str, environment: dict[str, str], words: list[str]) -> None:
    """Runs a program in this process as a new interpreter would."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    kind, *rest = words
    first = {"-c": "", "-m": cwd}.get(kind) or os.path.dirname(kind)
    added = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [first, *filter(None, added)]
    if kind == "-c":
        code, *rest = rest
        sys.argv = ["-c", *rest]
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(code, "<string>", "exec"), main.__dict__)
    elif kind == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        runpy.run_path(kind, run_name="__main__")


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    run(**serve(sys.argv[1]))
