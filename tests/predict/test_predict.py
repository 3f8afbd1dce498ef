"""Predictions against the unpadded network, their files, and bad input."""

import functools
import json
import subprocess

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.checkpoints.manager import Checkpoints, Saved
from ipixmatch_jax.configs import shapes as shapes_config
from ipixmatch_jax.configuration import saved
from ipixmatch_jax.data.datasets import shapes
from ipixmatch_jax.data.files.class_list import voc_colour
from ipixmatch_jax.data.source import BadFileError
from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.evaluate import evaluator
from ipixmatch_jax.models import registry as model_registry
from ipixmatch_jax.predict import classes, files, model, predictor
from ipixmatch_jax.predict import workdir as predict_run
from ipixmatch_jax.predict.averaging import PLAIN, Averaging
from ipixmatch_jax.predict.windows import LARGE, Windows
from tests import fork_server, golden

pytestmark = pytest.mark.slow

# The first four share a padded shape that is larger than each of them.
SIZES = ((41, 33), (40, 34), (41, 33), (40, 34), (23, 30))
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@functools.cache
def network():
    return model_registry.build("tiny", 6)


@functools.cache
def variables(seed=0):
    return golden.random_variables(network(), seed)


def picture(i, size):
    """An image of smooth blobs, so that classes form patches."""
    rng = np.random.default_rng(i)
    small = Image.fromarray(rng.integers(0, 256, (5, 5, 3), np.uint8))
    return np.asarray(small.resize(size[::-1], Image.Resampling.BICUBIC))


@functools.partial(jax.jit, static_argnums=1)
def bare(image, window=None):
    """Scores [H, W, K] of one image without padding."""
    x = ((image / 255 - MEAN) / STD).astype(jnp.float32)[None]
    apply = evaluator.class_scores
    return apply(network(), variables(), x, None, window)[0]


def softmax(scores):
    scores = np.float64(scores)
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


def agree(prediction, shares, atol=2e-4):
    """Compares confidences, and ids where the two best classes are apart."""
    shares = shares / shares.sum(-1, keepdims=True)
    second, first = np.moveaxis(np.sort(shares, -1)[..., -2:], -1, 0)
    clear = first - second > 2 * atol
    assert clear.mean() > 0.98
    assert prediction.ids.dtype == np.uint8
    assert prediction.ids.shape == shares.shape[:2]
    np.testing.assert_array_equal(
        prediction.ids[clear], shares.argmax(-1)[clear]
    )
    np.testing.assert_allclose(prediction.confidence, first, atol=atol)


@pytest.fixture
def folder(tmp_path):
    """Five images of three sizes in two folders."""
    for i, size in enumerate(SIZES):
        path = tmp_path / "photos" / ("deep/er" if i % 2 else "") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(i, size)).save(path)
    return tmp_path / "photos"


def paths(folder):
    return sorted(map(str, folder.rglob("*.png")), key=lambda p: p[-5])


def test_odd_sizes_are_predicted_as_the_unpadded_network_does(folder):
    found = dict(
        predictor.Predictor(network(), variables(), batch_size=3).predict_files(
            paths(folder)
        )
    )
    assert sorted(found) == [0, 1, 2, 3, 4]
    for i, size in enumerate(SIZES):
        np.testing.assert_array_equal(found[i].image, picture(i, size))
        agree(found[i], softmax(bare(picture(i, size))))


def align_corners(x, size):
    """Bilinear resizing with aligned corners, float64, axis by axis."""
    for axis, length in enumerate(size):
        old = x.shape[axis]
        at = np.arange(length) * (old - 1) / max(length - 1, 1)
        low = np.minimum(at.astype(int), old - 1)
        high = np.minimum(low + 1, old - 1)
        part = (at - low).reshape([-1 if a == axis else 1 for a in range(3)])
        x = x.take(low, axis) * (1 - part) + x.take(high, axis) * part
    return x


class Neighbours:
    """A network whose third class looks at the pixel on the left."""

    channels, mean, std = 3, None, None
    exact_when_padded = True

    def __init__(self):
        self.shapes = []

    def apply(self, variables, x, train, sizes=None):
        self.shapes.append(x.shape[1:3])
        left = jnp.pad(x[..., 2], ((0, 0), (0, 0), (1, 0)))[..., :-1]
        return jnp.stack([x[..., 0], 0.7 * x[..., 1], left], -1)


@pytest.mark.parametrize(
    ("scales", "flip"), [((0.75, 1.5), True), ((1.0,), True), ((0.6,), False)]
)
def test_flip_and_scales_are_averaged_as_in_a_slow_loop(folder, scales, flip):
    averaging = Averaging(scales, flip)
    found = dict(
        predictor.Predictor(
            Neighbours(), {}, averaging=averaging
        ).predict_files(paths(folder))
    )
    for i, size in enumerate(SIZES):
        image, total = (picture(i, size) / 255 - MEAN) / STD, 0
        for scale in averaging.scales:
            inside = [int(side * scale + 0.5) for side in size]
            seen = align_corners(image, inside)
            for turn in (1, -1)[: 1 + flip]:
                x = seen[:, ::turn].copy()
                x[:, 1:, 2], x[:, 0, 2] = x[:, :-1, 2].copy(), 0
                shares = softmax(x * [1, 0.7, 1])[:, ::turn]
                total = total + align_corners(shares, size)
        total = total / (len(scales) * (1 + flip))
        agree(found[i], total, atol=1e-5)


def test_windows_are_those_of_evaluate(folder):
    windows = Windows(33, above=0)
    path = paths(folder)[1]
    found = predictor.Predictor(
        network(), variables(), windows=windows
    ).predict_files([path])
    ((_, prediction),) = found
    agree(prediction, np.float64(bare(picture(1, SIZES[1]), 33)))


def test_only_large_images_are_cut_into_windows(folder):
    small, large = paths(folder)[4], paths(folder)[0]
    windows = Windows(17, above=23 * 30)
    network = Neighbours()
    cutting = predictor.Predictor(network, {}, windows=windows)
    both = cutting.predict_files([large, small])
    assert dict(both)[0].ids.shape == SIZES[0]
    assert network.shapes == [SIZES[4], (17, 17)]
    network = Neighbours()
    whole = predictor.Predictor(network, {}, windows=None)
    both = whole.predict_files([large, small])
    assert len(list(both)) == 2
    assert sorted(network.shapes) == [SIZES[4], SIZES[0]]


def test_batches_of_large_images_are_smaller():
    side = LARGE
    assert predictor.count_per_forward(side, 16, None, PLAIN) == 1
    assert predictor.count_per_forward(side // 4, 16, None, PLAIN) == 4
    mesh = sharding.make_mesh(8, 1)
    assert predictor.count_per_forward(side, 16, mesh, PLAIN) == 8
    assert predictor.count_per_forward(100, 17, mesh, PLAIN) == 24
    averaging = Averaging((0.5, 2.0), True)
    assert predictor.count_per_forward(side // 16, 16, None, averaging) == 2


def test_many_files_of_one_size_compile_once(folder):
    for i in range(7):
        Image.fromarray(picture(i, (9, 11))).save(folder / f"same{i}.png")
    # A truncated file with a valid header: the fault shows inside its batch.
    cut = folder / "same3.png"
    cut.write_bytes(cut.read_bytes()[:-60])
    network = Neighbours()
    same = [str(folder / f"same{i}.png") for i in range(7)]
    four = predictor.Predictor(network, {}, batch_size=4)
    found = dict(four.predict_files(same))
    assert network.shapes == [(9, 11)]
    assert isinstance(found[3], BadFileError)
    x = (picture(5, (9, 11)) / 255 - MEAN) / STD * [1, 0.7, 1]
    x[:, 1:, 2], x[:, 0, 2] = x[:, :-1, 2].copy(), 0
    agree(found[5], softmax(x))


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A run with random weights whose teacher scored best."""
    path = tmp_path_factory.mktemp("run")
    config = shapes_config.get_config()
    saved.save_config(config, path)
    trees = {"student": variables(1), "teacher": variables()}
    with Checkpoints(path) as checkpoints:
        best = Saved(50.0, 7, "teacher")
        checkpoints.save(7, trees, best, config.to_dict(), 50.0)
        checkpoints.wait()
    return path


def colours(path):
    """The ids of a palette PNG, and its pixels as RGB."""
    with Image.open(path) as image:
        assert image.mode == "P"
        return np.asarray(image), np.asarray(image.convert("RGB"))


def test_a_folder_becomes_palette_pngs_and_continues(folder, workdir, tmp_path):
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    out = tmp_path / "out"
    kinds = files.KINDS
    done = predict_run.predict_workdir(workdir, folder, out, kinds=kinds)
    assert done == (5, 0, 1)
    for i, size in enumerate(SIZES):
        name = f"deep/er/{i}.png" if i % 2 else f"{i}.png"
        ids, rgb = colours(out / "predictions" / name)
        shares = softmax(bare(picture(i, size)))
        confidence = np.asarray(Image.open(out / "confidence" / name))
        agree(
            predictor.Prediction(None, ids, confidence / 255),
            shares,
            atol=0.5 / 255 + 2e-4,
        )
        painted = np.array(shapes.PALETTE)[ids]
        np.testing.assert_array_equal(rgb, painted)
        overlay = np.asarray(Image.open(out / "overlays" / name))
        mixed = (picture(i, size).astype(int) + painted) / 2
        np.testing.assert_allclose(overlay, mixed, atol=0.5)
    # No other files, such as partly written ones.
    assert len([p for p in out.rglob("*") if p.is_file()]) == 3 * 5 + 2
    legend = np.asarray(Image.open(out / files.LEGEND)).reshape(-1, 3)
    assert set(shapes.PALETTE) <= set(map(tuple, legend.tolist()))

    kept = out / "predictions/0.png"
    kept.write_bytes(b"mine")
    (out / "confidence/deep/er/1.png").unlink()
    done = predict_run.predict_workdir(workdir, folder, out, kinds=kinds)
    assert done == (1, 4, 1)
    assert kept.read_bytes() == b"mine"
    assert (out / "confidence/deep/er/1.png").is_file()
    with pytest.raises(ValueError, match="network teacher there, student here"):
        predict_run.predict_workdir(workdir, folder, out, network="student")


def test_without_the_data_the_run_gives_names_and_voc_the_colours(tmp_path):
    config = shapes_config.get_config()
    assert classes.find_classes(config, tmp_path)[1:] == (shapes.PALETTE, "")
    config.data.name, config.data.root = "camvid", "gone"
    known = classes.find_classes(config, tmp_path)
    assert known.names == tuple(f"class {k}" for k in range(6))
    assert known.palette == tuple(voc_colour(k) for k in range(6))
    assert "There is no folder gone" in known.note
    names = ["a", "b", "c", "d", "e", "f"]
    scores = {"miou": 1.0, "iou": [1.0] * 6}
    part = {"network": "student", "step": 1, "val": scores}
    results = {"class_names": names, "best": part, "last": part}
    (tmp_path / "results.json").write_text(json.dumps(results))
    assert classes.find_classes(config, tmp_path).names == tuple(names)


def test_windows_follow_the_run():
    config = shapes_config.get_config()
    choose = model.choose_windows
    assert choose(config, None) == (1024, 2048 * 2048)
    assert choose(config, 0) is None
    assert choose(config, 65) == (65, 0)
    config.evaluate.mode = "sliding_window"
    assert choose(config, None) == (49, 0)


def test_lists_name_images_by_line(folder, tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text("photos/0.png\n\nphotos/deep/er/1.png\nphotos/0.png\n")
    items = files.find_images(listed, tmp_path / "out")
    assert [i.name for i in items] == ["photos/0", "photos/deep/er/1"]
    inner = folder / "deep" / "list.txt"
    inner.write_text(f"{folder}/0.png\ner/1.png\n../a b.png\n")
    items = files.find_images(inner, tmp_path / "out")
    assert [i.name for i in items] == ["0", "deep/er/1", "a b"]
    (one,) = files.find_images(folder / "deep/er/3.png", tmp_path / "out")
    assert one == (str(folder / "deep/er/3.png"), "3")


def test_outputs_below_the_images_are_not_taken_for_images(folder):
    before = files.find_images(folder, folder)
    below = folder / "predictions"
    below.mkdir()
    Image.fromarray(picture(0, (9, 9))).save(below / "0.png")
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "deep" / "circle").symlink_to(folder)
    assert files.find_images(folder, folder) == before
    assert len(before) == 5


@pytest.mark.parametrize(
    ("names", "source", "words"),
    [
        ([], "gone", "No images at .*gone: --images is an image, a video"),
        ([], "photos/empty", "holds no images: they are files that end in"),
        (
            ["a.jpg", "a.PNG"],
            "photos",
            r"a\.PNG and .*a\.jpg differ only in their",
        ),
        (["list.bin"], "photos/list.bin", "neither an image .* nor a list"),
        (["x.png"], "photos/empty/../x.png", "would be overwritten"),
    ],
)
def test_a_wrong_path_is_refused_in_one_sentence(
    tmp_path, names, source, words
):
    (tmp_path / "photos/empty").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/predictions").symlink_to(tmp_path / "photos")
    for name in names:
        (tmp_path / "photos" / name).write_bytes(b"\xff\xd8")
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        files.find_images(tmp_path / source, tmp_path / "out")


def test_an_unknown_network_is_named(folder, workdir, tmp_path):
    with pytest.raises(ValueError, match="best or student or teacher"):
        predict_run.predict_workdir(
            workdir, folder, tmp_path / "out", network="twin"
        )
    assert not (tmp_path / "out").exists()


def test_the_command_skips_a_bad_file_and_says_so(folder, workdir, tmp_path):
    (folder / "broken.png").write_bytes(b"")
    listed = tmp_path / "two.txt"
    listed.write_text("photos/broken.png\nphotos/0.png\nphotos/gone.png")
    command = [*fork_server.python(), "-m", "ipixmatch_jax.predict"]
    command += [f"--workdir={workdir}", f"--images={listed}"]
    result = subprocess.run(
        [*command, f"--out={tmp_path / 'out'}", "--no-overlay"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 1, result.stderr
    assert "1 file predicted, 0 already there, 2" in result.stdout
    assert f"skipped: {folder}/broken.png is empty" in result.stderr
    assert f"skipped: {folder}/gone.png cannot be read" in result.stderr
    made = [p for p in (tmp_path / "out").rglob("*.png")]
    assert made == [tmp_path / "out/predictions/photos/0.png"]
