"""Runs a program in a fork of the server; its exit code is the program's.

python -I -S tests/fork_client.py ADDRESS (-c CODE | -m MODULE | FILE) ...
"""

import json
import os
import socket
import sys


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
        answer = connection.recv(3)
    if len(answer) == 3:  # The server has another environment.
        os.execv(sys.executable, [sys.executable, *words])
    code = int.from_bytes(answer, signed=True)
    # As a shell says that a signal ended a program.
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main(*sys.argv[1:])
