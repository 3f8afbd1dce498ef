"""A page of an untrained run, served in a thread, and an image for it."""

import threading

import pytest
from PIL import Image

from ipixmatch_jax.predict.model import load_model
from ipixmatch_jax.predict.workdir import predict_workdir
from ipixmatch_jax.viewer.prediction import Viewer
from ipixmatch_jax.viewer.server import open_server
from tests import untrained_run
from tests.predict import clips


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    return untrained_run.write_run(tmp_path_factory.mktemp("viewed") / "run")


@pytest.fixture(scope="session")
def served(run):
    """The server."""
    with open_server(0) as server:
        server.show(Viewer(load_model(run)))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def predicted(run, tmp_path_factory):
    """A folder with photo.jpg, and out/ with what `predict` writes for it."""
    folder = tmp_path_factory.mktemp("photo")
    photo = folder / "photo.jpg"
    Image.fromarray(clips.scene(0, (60, 90))).save(photo, quality=95)
    kinds = ("overlays", "confidence")
    predict_workdir(run, photo, folder / "out", kinds=kinds)
    return folder
