"""What the inter-pixel loss refuses, in one sentence."""

import pytest

from ipixmatch_jax.losses.inter_pixel.loss import inter_pixel_loss
from ipixmatch_jax.losses.inter_pixel.registry import READINGS
from tests.losses.inter_pixel.test_loss import draw, settings


def test_an_unknown_pair_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="the pairs are") as error:
        inter_pixel_loss(*draw(10), **settings("pixel", "correlation"))
    for pair in READINGS:
        assert "/".join(pair) in str(error.value)
    assert len(READINGS) == 8


@pytest.mark.parametrize("bad", [{"block": 0}, {"stride": -1}, {"agents": 0}])
def test_counts_below_one_are_refused(bad):
    with pytest.raises(ValueError, match="at least 1"):
        inter_pixel_loss(*draw(10), **settings("affinity", "kl"), **bad)
