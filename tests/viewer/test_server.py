"""The page's server: what it answers, and what it refuses."""

import base64
import http.client
import io
import json
import re
import socket

import numpy as np
import pytest
import tifffile
from PIL import Image

from ipixmatch_jax.data.source import BadFileError
from ipixmatch_jax.viewer import prediction, server

slow = pytest.mark.slow
NOWHERE = server.FIRST_PORT


def ask(served, method, path, body=None, **headers):
    """The status, the headers and the body of an answer."""
    port = served.server_port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    connection.request(
        method, path, body, {k.capitalize(): v for k, v in headers.items()}
    )
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def upload(served, name, data):
    status, _, body = ask(served, "POST", f"/predict?name={name}", data)
    assert status == 200
    return json.loads(body)


def png(values):
    file = io.BytesIO()
    Image.fromarray(values).save(file, format="PNG")
    return file.getvalue()


@slow
def test_an_upload_gets_the_files_that_predict_writes(served, predicted):
    answer = upload(served, "photo.jpg", (predicted / "photo.jpg").read_bytes())
    assert (answer["name"], answer["width"], answer["height"]) == (
        *("photo", 90, 60),
    )
    for key, folder in (
        ("mask", "predictions"),
        ("overlay", "overlays"),
        ("confidence", "confidence"),
    ):
        written = (predicted / f"out/{folder}/photo.png").read_bytes()
        assert base64.b64decode(answer[key]) == written
    shown = Image.open(io.BytesIO(base64.b64decode(answer["image"])))
    with shown, Image.open(predicted / "photo.jpg") as photo:
        np.testing.assert_array_equal(shown, photo)


@slow
def test_classes_have_their_colours_and_shares(served, predicted):
    answer = upload(served, "photo.jpg", (predicted / "photo.jpg").read_bytes())
    with Image.open(predicted / "out/predictions/photo.png") as mask:
        ids, palette = np.asarray(mask), mask.getpalette()
    with Image.open(predicted / "out/confidence/photo.png") as grey:
        levels = np.asarray(grey) / 255
    names = served.viewer.model.class_names
    found = {names.index(one["name"]): one for one in answer["classes"]}
    assert sorted(found) == np.unique(ids).tolist()
    for k, one in found.items():
        assert one["colour"] == palette[3 * k : 3 * k + 3]
        assert one["share"] == pytest.approx((ids == k).mean())
        mean = levels[ids == k].mean()
        assert one["confidence"] == pytest.approx(mean, abs=0.004)
    shares = [one["share"] for one in answer["classes"]]
    assert shares == sorted(shares, reverse=True)


def six_bands():
    file = io.BytesIO()
    values = np.zeros((8, 8, 6), np.float32)
    tifffile.imwrite(
        file, values, photometric="minisblack", planarconfig="contig"
    )
    return file.getvalue()


@slow
@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.jpg", b"", r"^a\.jpg is empty: it holds 0 bytes\."),
        ("a.jpg", b"hello" * 99, r"^a\.jpg is not a readable image: it"),
        (
            "a.png",
            png(np.zeros((9, 9), np.uint8))[:60],
            r"^a\.png (cannot be decoded|is not a)",
        ),
        (
            "a.tif",
            six_bands(),
            r"^a\.tif has 6 bands",
        ),
        ("a.mp4", b"x", r"^a\.mp4 is a video: `ipixmatch predict --workdir "),
        (
            "a.png",
            png(np.zeros((1, 2**25), bool)),
            r"^a\.png is .* than 89,478,485 pixels",
        ),
        (
            "a.png",
            png(np.zeros((4096, 4097), bool)),
            r"is 4097x4096, and this page takes images of up",
        ),
    ],
)
def test_a_bad_image_is_one_sentence_and_the_server_stays(
    served, predicted, name, data, message
):
    answer = upload(served, name, data)
    assert list(answer) == ["error"]
    assert re.search(message, answer["error"]), answer
    status, _, page = ask(served, "GET", "/")
    assert status == 200 and b"Drop an image here" in page


@slow
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_and_deep_images_are_shown(served, dtype):
    values = np.linspace(0, np.iinfo(dtype).max, 64 * 48).astype(dtype)
    answer = upload(served, "a.png", png(values.reshape(48, 64)))
    with Image.open(io.BytesIO(base64.b64decode(answer["image"]))) as shown:
        assert (shown.mode, shown.size) == ("RGB", (64, 48))
        assert np.asarray(shown)[-1, -1].tolist() == [255] * 3


@slow
def test_the_page_asks_no_other_host(served):
    status, headers, page = ask(served, "GET", "/")
    assert status == 200
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    for word in (b"http:", b"https:", b"//cdn", b"@import", b"url("):
        assert word not in page


@slow
@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/etc/passwd", {}, 404),
        ("GET", "/../../etc/passwd", {}, 404),
        ("GET", "/predict", {}, 404),
        ("POST", "/", {}, 404),
        ("GET", "/", {"host": "evil.example"}, 403),
        ("POST", "/predict", {"origin": "http://evil.example"}, 403),
        ("POST", "/predict", {"content-length": "x"}, 411),
        ("POST", "/predict", {"content-length": str(2**40)}, 413),
        ("DELETE", "/", {}, 501),
    ],
)
def test_other_requests_are_refused(served, method, path, headers, status):
    port = served.server_port
    given = {"host": f"127.0.0.1:{port}", "content-length": "0"} | headers
    lines = [f"{method} {path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in given.items()]
    with socket.create_connection(("127.0.0.1", port), timeout=60) as plug:
        plug.sendall("\r\n".join([*lines, "", ""]).encode())
        assert plug.recv(4096).split()[1] == str(status).encode()


@slow
def test_an_upload_that_breaks_off_leaves_the_server_quiet(served, capfd):
    with socket.create_connection(("127.0.0.1", served.server_port)) as plug:
        head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{served.server_port}"
        plug.sendall(f"{head}\r\nContent-Length: 99\r\n\r\nhalf".encode())
    assert ask(served, "GET", "/")[0] == 200
    assert capfd.readouterr() == ("", "")


def test_a_taken_port_is_refused_and_the_next_free_one_found(monkeypatch):
    with server.open_server(0) as first:
        taken = first.server_port
        with pytest.raises(
            ValueError, match=f"--port={taken} is taken by anoth"
        ):
            server.open_server(taken)
        monkeypatch.setattr(server, "FIRST_PORT", taken)
        with server.open_server(None) as second:
            assert taken < second.server_port < taken + 20
        monkeypatch.setattr(server, "_PORTS", 1)
        with pytest.raises(ValueError, match=r"are all taken: .* --port"):
            server.open_server(None)
        assert first.server_address[0] == "127.0.0.1"
        assert first.address == f"http://127.0.0.1:{taken}/"


def test_a_bad_file_is_known_by_its_header(run):
    with pytest.raises(BadFileError, match="is empty"):
        prediction._check("a.png", b"", run)
    size = prediction._check("a.png", png(np.zeros((3, 5), bool)), run)
    assert size == (3, 5)
