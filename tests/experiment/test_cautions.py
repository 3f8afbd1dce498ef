"""What is said of a run whose numbers may mislead."""

import pytest

from ipixmatch_jax.experiment.cautions import describe_warmup

FIELDS = {
    "inter_pixel.weight": 0.5,
    "inter_pixel.warmup_steps": 400,
    "train.steps": 100,
}


def test_a_warmup_longer_than_the_run():
    sentence = describe_warmup(FIELDS)
    assert "warmup_steps=400 is longer than" in sentence
    assert "ends at 25% of inter_pixel.weight=0.5" in sentence


@pytest.mark.parametrize(
    "change",
    [
        {"train.steps": 400},
        {"inter_pixel.weight": 0},
        {"inter_pixel.warmup_steps": 0},
    ],
)
def test_others_are_not_named(change):
    assert describe_warmup(FIELDS | change) is None
