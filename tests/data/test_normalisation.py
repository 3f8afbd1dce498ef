"""Mean and standard deviation of training images against NumPy."""

import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.data import normalisation
from ipixmatch_jax.data.source import BadFileError, Sample, Source


class Images(Source):
    """A source of images of any channels; None is an unusable file."""

    def __init__(self, arrays):
        self.arrays, self.seen = arrays, []

    def __len__(self):
        return len(self.arrays)

    def __getitem__(self, i):
        self.seen.append(i)
        if self.arrays[i] is None:
            raise BadFileError("spoilt")
        h, w, channels = self.arrays[i].shape
        mode = {1: "L", 2: "La", 3: "RGB", 4: "RGBX"}[channels]
        data = self.arrays[i].tobytes()
        return Sample(Image.frombytes(mode, (w, h), data), None)

    def name(self, i):
        return str(i)

    def size(self, i):
        return self.arrays[i].shape[:2]


def images(count, channels, seed=0):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(3, 20, (count, 2))
    return [
        rng.integers(10 * seed, 256, (h, w, channels)).astype(np.uint8)
        for h, w in sizes
    ]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_all_pixels_of_both_parts_count_equally(channels):
    first, second = images(5, channels), images(7, channels, seed=9)
    found = normalisation.measure_mean_and_std(
        Images([*first, None]), Images(second)
    )
    every = [x.reshape(-1, channels) for x in [*first, *second]]
    every = np.concatenate(every) / 255
    assert found.images == 12
    np.testing.assert_allclose(found.mean, every.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.std, every.std(0), rtol=1e-5)


def test_the_sample_of_many_images_is_the_same_every_time():
    arrays = images(50, 3)
    seen = []
    for _ in range(2):
        first, second = Images(arrays[:20]), Images(arrays[20:])
        found = normalisation.measure_mean_and_std(first, second, most=10)
        seen.append((sorted(first.seen), sorted(second.seen), found))
    assert seen[0] == seen[1]
    assert len(seen[0][0]) + len(seen[0][1]) == found.images == 10


def test_numbers_are_the_same_after_the_text_of_a_config():
    found = normalisation.measure_mean_and_std(Images(images(3, 4)), Images([]))
    text = normalisation.format_numbers(found.mean)
    assert normalisation.parse_numbers("data.mean", text, 4) == found.mean
    assert normalisation.parse_numbers("data.mean", "", 4) == ()


def test_data_that_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match="None of 2 training images"):
        normalisation.measure_mean_and_std(Images([None]), Images([None]))
    flat = images(2, 4)
    for x in flat:
        x[..., 3] = 255
    with pytest.raises(ValueError, match=r"Channel 4 .* is 255 everywhere"):
        normalisation.measure_mean_and_std(Images(flat), Images([]))


@pytest.mark.parametrize("text", ["a,b", "0.1", "0.1,nan", "0.1,-1", "1,,2"])
def test_a_value_other_than_a_list_of_numbers_is_refused(text):
    with pytest.raises(ValueError, match=r"data.std='.*' is not 2 numbers"):
        normalisation.parse_numbers("data.std", text, 2)
