"""Names of the hub against a small server on this machine."""

import hashlib
import http.server
import logging
import sys
import threading

import pytest

from ipixmatch_jax.models.weights import hub, load

pytest.importorskip("huggingface_hub")
constants = pytest.importorskip("huggingface_hub.constants")

CONTENT = b"weights" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """A hub: a public repository, a gated one, and nothing else."""

    sent: list[str] = []  # noqa: RUF012

    def do_HEAD(self):
        if self.path.startswith("/timm/net/resolve/main/"):
            self.send_response(200)
            self.send_header("ETag", f'"{DIGEST}"')
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("Content-Length", str(len(CONTENT)))
        else:
            gated = self.path.startswith("/owner/gated/")
            self.send_response(403 if gated else 404)
            code = "GatedRepo" if gated else "RepoNotFound"
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        self.do_HEAD()
        if self.path.startswith("/timm/net/"):
            self.sent.append(self.path)
            self.wfile.write(CONTENT)

    def log_message(self, *_):
        pass


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_XET_CACHE", str(tmp_path / "xet"))
    return tmp_path


@pytest.fixture
def server(monkeypatch, cache):
    Handler.sent.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{httpd.server_port}"
        monkeypatch.setenv("HF_ENDPOINT", url)
        yield url
        httpd.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("timm/resnet101s.gluon_in1k", "model.safetensors"),
        ("a/b:c/d.pth", "c/d.pth"),
        *[(text, None) for text in ("a", "a/b/c", "../b", "a/..", "/a/b")],
        *[(text, None) for text in ("a/b:../c", "a/b:/c", "a/b:")],
    ],
)
def test_which_texts_are_names_of_the_hub(text, expected):
    name = hub.parse_name(text)
    assert (None if name is None else name.file) == expected


def test_a_file_is_downloaded_once_and_its_checksum_logged(server, caplog):
    caplog.set_level(logging.INFO, "ipixmatch_jax")
    path = load.find_file("timm/net")
    assert path.read_bytes() == CONTENT
    assert f"model.safetensors is {path}, sha256 {DIGEST}" in caplog.text
    assert load.find_file("timm/net") == path
    assert Handler.sent == ["/timm/net/resolve/main/model.safetensors"]


def test_a_file_of_the_repository_can_be_named(server):
    path = load.find_file("timm/net:a/b.pth")
    assert path.read_bytes() == CONTENT
    assert path.parts[-2:] == ("a", "b.pth")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("timm/none", "no such file, or it is not public.*give its path"),
        ("owner/gated", r"gated: accept its licence.*hf auth login"),
    ],
)
def test_a_refusal_of_the_hub_says_the_way_out(server, cache, name, words):
    with pytest.raises(FileNotFoundError, match=words):
        load.find_file(name)


def test_without_a_network_the_cache_serves_or_the_sentence_says_so(
    monkeypatch, server
):
    path = load.find_file("timm/net")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert load.find_file("timm/net") == path
    with pytest.raises(FileNotFoundError, match=r"cannot be reached.*by hand"):
        load.find_file("timm/other")


def test_without_the_extra_the_sentence_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(FileNotFoundError, match=r"ipixmatch_jax\[hub\]"):
        load.find_file("timm/net")


@pytest.mark.parametrize(
    "source", ["weights/resnet50.pth", "resnet50", "/no/such/file.safetensors"]
)
def test_a_missing_path_is_not_looked_for_on_the_hub(source):
    with pytest.raises(
        FileNotFoundError, match=f"^{source}: this file does not exist"
    ):
        load.find_file(source)
