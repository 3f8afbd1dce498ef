"""The server of the page, for this machine's own browser alone.

It listens on 127.0.0.1, answers two addresses, and reads and writes no file:
an upload is held in memory until it is answered.
"""

import errno
import http.server
import json
import sys
import urllib.parse
from http import HTTPStatus
from typing import Any

from ipixmatch_jax.data.source import BadFileError
from ipixmatch_jax.utils.file_names import printable
from ipixmatch_jax.viewer.page import build_page
from ipixmatch_jax.viewer.prediction import MOST_BYTES, Viewer

HOST = "127.0.0.1"
FIRST_PORT = 8765
_PORTS = 20  # that are tried from the first one
_SILENCE = 60  # seconds without a byte, after which an upload is given up
# The browser refuses to load anything but what the page itself holds, and to
# ask any other server.
_POLICY = (
    "default-src 'none'; img-src blob: data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


class Server(http.server.ThreadingHTTPServer):
    """Listens from the start; answers once it has a viewer."""

    daemon_threads = True
    page: bytes
    viewer: Viewer

    def __init__(self, port: int):
        """Takes a port of HOST; 0: any free one.

        Raises:
          OSError: it is taken.
        """
        super().__init__((HOST, port), _Handler)

    @property
    def address(self) -> str:
        """Of the page."""
        return f"http://{HOST}:{self.server_port}/"

    def show(self, viewer: Viewer) -> None:
        """Sets what the page predicts with."""
        self.page = build_page(viewer.model).encode()
        self.viewer = viewer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Prints the traceback of a fault, but none where a browser left."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def open_server(port: int | None) -> Server:
    """Takes a port.

    Args:
      port: the port; None: the first free one from FIRST_PORT.

    Raises:
      ValueError: it is taken, or may not be used; one sentence.
    """
    ports = range(FIRST_PORT, FIRST_PORT + _PORTS) if port is None else [port]
    for one in ports:
        try:
            return Server(one)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            raise ValueError(
                f"--port={one} cannot be used: {error.strerror}; choose "
                "another."
            ) from error
    if port is None:
        raise ValueError(
            f"The ports {ports[0]} to {ports[-1]} are all taken: choose "
            "another with --port."
        )
    raise ValueError(
        f"--port={port} is taken by another program: choose another, or leave "
        "it out for the next free one."
    )


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server
    timeout = _SILENCE

    def do_GET(self) -> None:
        """Answers with the page."""
        if not self._is_from_here():
            return self._refuse(HTTPStatus.FORBIDDEN)
        if self.path != "/":
            return self._refuse(HTTPStatus.NOT_FOUND)
        return self._answer(self.server.page, "text/html; charset=utf-8")

    def do_POST(self) -> None:
        """Predicts the image that is the body of the request."""
        where = urllib.parse.urlsplit(self.path)
        if not self._is_from_here():
            return self._refuse(HTTPStatus.FORBIDDEN)
        if where.path != "/predict":
            return self._refuse(HTTPStatus.NOT_FOUND)
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            return self._refuse(HTTPStatus.LENGTH_REQUIRED)
        if int(length) > MOST_BYTES:
            return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        given = urllib.parse.parse_qs(where.query).get("name", [""])[0]
        name = printable(given) or "The image"
        data = self.rfile.read(int(length))
        if len(data) < int(length):
            raise ConnectionAbortedError("The upload was cut off.")
        try:
            answer = self.server.viewer.predict(name, data)
        except BadFileError as error:
            # No fault of the request: the page shows the sentence.
            answer = {"error": str(error)}
        return self._answer(json.dumps(answer).encode(), "application/json")

    def _is_from_here(self) -> bool:
        """Whether a browser shows our page, under its own address.

        Other pages may send requests to this machine, or reach it under a
        name of theirs.
        """
        port = self.server.server_port
        hosts = {f"{name}:{port}" for name in (HOST, "localhost")}
        origin = self.headers.get("Origin")
        return self.headers.get("Host") in hosts and (
            origin is None or origin in {f"http://{host}" for host in hosts}
        )

    def _refuse(self, status: HTTPStatus) -> None:
        self.send_error(status)

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(HTTPStatus.OK)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Content-Security-Policy", _POLICY),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cache-Control", "no-store"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing: the terminal shows faults alone."""
