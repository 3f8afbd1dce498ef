"""The scores of a report: images, networks and confusion matrices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.configs import shapes as shapes_config
from ipixmatch_jax.data.datasets import shapes
from ipixmatch_jax.data.source import BadFileError, DataSet, Sample, Source
from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.evaluate import evaluator, image_batches
from ipixmatch_jax.experiment import restore
from ipixmatch_jax.report import val_evaluation
from tests.report import report_cases


def test_an_image_scores_the_mean_over_its_own_classes():
    counts = np.asarray([[6, 2, 0, 1], [1, 3, 0, 0], [0, 0, 0, 0], [0] * 4])
    # Class 0: 6 / (9 + 7 - 6), class 1: 3 / (4 + 5 - 3); 3 is not in it.
    expected = 100 * (6 / 10 + 3 / 6) / 2
    assert abs(val_evaluation.image_score(counts) - expected) < 1e-9
    assert val_evaluation.image_score(0 * counts) is None


@pytest.mark.parametrize(
    ("count", "worst", "best"),
    [(3, [4, 0], [2]), (9, [4, 0, 3], [2, 1]), (1, [4], [])],
)
def test_worst_and_best_are_disjoint(count, worst, best):
    scores = {0: 5.0, 1: 8.0, 2: 9.0, 3: 5.0, 4: 1.0}
    assert val_evaluation.choose_images(scores, count) == (worst, best)


SIZES = ((40, 56), (38, 55), (40, 56), (33, 33))


class _Val(Source):
    """A source of images with the class in red; the third of four is bad."""

    def __len__(self):
        return len(SIZES)

    def arrays(self, i):
        rng = np.random.default_rng(i)
        mask = rng.integers(0, 4, SIZES[i]).astype(np.uint8)
        guess = np.where(rng.random(SIZES[i]) < 0.2 * i, 5, mask)
        mask[:5] = 255
        return np.repeat(guess[..., None], 3, -1).astype(np.uint8), mask

    def __getitem__(self, i):
        if i == 2:
            raise BadFileError("two.jpg is spoilt.")
        return Sample(*map(Image.fromarray, self.arrays(i)))

    def name(self, i):
        return f"{i}.jpg"

    def size(self, i):
        return SIZES[i]


class _Reading:
    """A network that reads the class off the red channel, shifted."""

    channels, mean, std = 3, None, None
    exact_when_padded = True

    def apply(self, variables, x, train, sizes=None):
        red = jnp.round((x[..., 0] * 0.229 + 0.485) * 255).astype(jnp.int32)
        return jax.nn.one_hot((red + variables["shift"]) % 6, 6) * 4


@pytest.mark.parametrize("mode", evaluator.MODES)
def test_every_network_is_scored_on_every_image(mode):
    config = shapes_config.get_config()
    config.evaluate.mode = mode
    config.evaluate.batch_size = 2
    config.data.crop_size = 36
    mesh = sharding.make_mesh(0, 1)
    shifts = {"student": 1, "teacher": 0}
    variables = {n: {"shift": jnp.int32(s)} for n, s in shifts.items()}
    run = restore.Trained(
        None, config, None, 7, "teacher", _Reading(), variables, mesh
    )
    source, done = _Val(), []
    names = tuple("abcdef")
    data = DataSet(source, source, source, None, names, shapes.PALETTE)
    result = val_evaluation.evaluate_val(run, data, 2, done.append)
    assert result.bad == ["two.jpg is spoilt."]
    assert (result.step, result.better, sum(done)) == (7, "teacher", 4)
    totals = dict.fromkeys(shifts, 0)
    for i in (0, 1, 3):
        image, truth = source.arrays(i)
        if mode == "center_crop":
            box = image_batches.center_box(*truth.shape, 36)
            image, truth = (
                x[box[0] : box[2], box[1] : box[3]] for x in (image, truth)
            )
        for name, shift in shifts.items():
            ids = (image[..., 0] + shift) % 6
            totals[name] += report_cases.count(truth, ids, 6)
        for shown in result.worst + result.best:
            if shown.name == f"{i}.jpg":
                np.testing.assert_array_equal(shown.scored.image, image)
                np.testing.assert_array_equal(shown.scored.truth, truth)
                found = shown.scored.predictions["student"]
                np.testing.assert_array_equal(found, (image[..., 0] + 1) % 6)
    for name, counts in totals.items():
        np.testing.assert_array_equal(result.confusions[name], counts)
    # From image to image more pixels are wrong.
    assert [one.name for one in result.worst] == ["3.jpg"]
    assert [one.name for one in result.best] == ["0.jpg"]
    assert result.best[0].score == pytest.approx(100)
