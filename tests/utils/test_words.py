"""Words for losses, durations and counts."""

from ipixmatch_jax.utils.counts import count_of
from ipixmatch_jax.utils.durations import format_duration
from ipixmatch_jax.utils.loss_names import loss_name


def test_losses_have_names():
    assert loss_name("loss") == "total"
    assert loss_name("loss_ip") == "inter-pixel"
    assert loss_name("loss_u_2") == "unlabelled 2"
    assert loss_name("loss_mine") == "loss_mine"


def test_durations_have_the_units_that_they_need():
    assert format_duration(20) == "20 s"
    assert format_duration(125.4) == "2 min 05 s"
    assert format_duration(7260) == "2 h 01 min"


def test_counts_have_nouns_in_their_number():
    said = [count_of(count, "image") for count in (0, 1, 2)]
    assert said == ["0 images", "1 image", "2 images"]
