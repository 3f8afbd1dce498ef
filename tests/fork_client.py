"""Runs a program in a fork of the server, and ends as the program does.

python -I -S tests/fork_client.py ADDRESS (-c CODE | -m MODULE | FILE) ...

The signals that end a run, and can be caught, are passed on to the program.
"""

import json
import os
import signal
import socket
import sys

PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


def main(address: str, *words: str) -> None:
    request = {
        "cwd": os.getcwd(),
        "environment": dict(os.environ),
        "words": words,
    }
    message = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        header = len(message).to_bytes(4)
        socket.send_fds(connection, [header], [0, 1, 2])
        connection.sendall(message)
        pass_signals_on(connection)
        answer = connection.recv(3)
    if len(answer) == 3:  # The server has another environment.
        os.execv(sys.executable, [sys.executable, *words])
    code = int.from_bytes(answer, signed=True)
    if code < 0:
        end_by_signal(-code)
    sys.exit(code)


def pass_signals_on(connection: socket.socket) -> None:
    """Sends each signal's number to the server from now on."""

    def pass_on(number, frame):
        connection.sendall(bytes([number]))

    for number in PASSED_ON:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, pass_on)


def end_by_signal(number: int) -> None:
    """Ends this process by a signal, whatever it did with it before."""
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    main(*sys.argv[1:])
