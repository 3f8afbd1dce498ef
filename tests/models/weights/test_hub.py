"""Names of the hub against a small server on this machine."""

import hashlib
import http.server
import logging
import threading

import pytest

from ipixmatch_jax.models.weights import hub, load

CONTENT = b"weights" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """A hub: one repository, one of its files shorter than promised."""

    asked: list[str] = []  # noqa: RUF012

    def do_GET(self):
        self.asked.append(self.path)
        if self.path.startswith("/timm/moved"):
            self.send_response(302)
            self.send_header("Location", "/timm/net/resolve/main/a/b.pth")
            self.end_headers()
        elif self.path.startswith("/timm/net/resolve/main/"):
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            cut = self.path.endswith("cut.safetensors")
            self.wfile.write(CONTENT[:100] if cut else CONTENT)
        else:
            self.send_error(404)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    Handler.asked.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{httpd.server_port}"
        monkeypatch.setenv(hub.ENDPOINT_VARIABLE, url)
        monkeypatch.setenv(hub.CACHE_VARIABLE, str(tmp_path))
        yield url
        httpd.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("timm/resnet101s.gluon_in1k", ("model.safetensors",)),
        ("a/b:c/d.pth", ("c/d.pth",)),
        ("a", None),
        ("a/b/c", None),
        ("../b", None),
        ("a/..", None),
        ("a/b:../c", None),
        ("a/b:/c", None),
        ("a/b:", None),
        ("/a/b", None),
    ],
)
def test_what_is_a_name(text, expected):
    name = hub.parse(text)
    assert (name if expected is None else (name.file,)) == expected


def test_a_file_is_downloaded_once_and_its_checksum_said(
    server, tmp_path, caplog
):
    caplog.set_level(logging.INFO, "ipixmatch_jax")
    path = load.find("timm/net")
    assert path == tmp_path / "timm/net/model.safetensors"
    assert path.read_bytes() == CONTENT
    assert f"downloaded to {path}, sha256 {DIGEST}" in caplog.text
    assert load.find("timm/net") == path
    assert f"taken from {path}, sha256 {DIGEST}" in caplog.text
    assert Handler.asked == ["/timm/net/resolve/main/model.safetensors"]
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_file_that_is_named_and_moved(server, tmp_path):
    path = load.find("timm/moved:a/b.pth")
    assert path == tmp_path / "timm/moved/a/b.pth"
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("timm/none", r"answers 404.*put the file at {0}/timm/none/model\.saf"),
        ("timm/net:cut.safetensors", r"100 of 7000 bytes.*put the file at {0}"),
    ],
)
def test_what_does_not_come_whole_is_not_kept(server, tmp_path, name, words):
    with pytest.raises(FileNotFoundError, match=words.format(tmp_path)):
        load.find(name)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_offline_it_says_where_to_put_the_file(monkeypatch, tmp_path):
    monkeypatch.setenv(hub.CACHE_VARIABLE, str(tmp_path))
    # Port 9 of this machine refuses connections.
    monkeypatch.setenv(hub.ENDPOINT_VARIABLE, "http://127.0.0.1:9")
    where = tmp_path / "timm/net/model.safetensors"
    with pytest.raises(FileNotFoundError, match=f"put the file at {where}"):
        load.find("timm/net")
    where.parent.mkdir(parents=True)
    where.write_bytes(b"x")
    assert load.find("timm/net") == where


@pytest.mark.parametrize(
    "source", ["weights/resnet50.pth", "resnet50", "/no/such/file.safetensors"]
)
def test_a_path_that_is_not_there_is_not_looked_for_elsewhere(source):
    with pytest.raises(FileNotFoundError, match=f"^{source}: there is no such"):
        load.find(source)
