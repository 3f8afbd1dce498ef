"""Which licence a published model has."""

import pytest

from ipixmatch_jax.configs import common
from ipixmatch_jax.hub.licences import choose_licence, find_licence


def licence(backbone, pretrained):
    config = common.base()
    config.model.backbone = backbone
    config.model.pretrained = pretrained
    return find_licence(config)


def test_dinov3_binds_what_is_derived_from_it():
    found = licence("dinov3s", "dinov3.pth")
    assert (found.identifier, found.name) == ("other", "dinov3-license")
    assert choose_licence("", found) == found
    with pytest.raises(ValueError, match="under the dinov3-license: leave"):
        choose_licence("apache-2.0", found)


def test_other_weights_leave_the_choice():
    found = licence("dinov2s", "facebook/dinov2-small")
    assert found.identifier == "apache-2.0"
    assert choose_licence("mit", found).identifier == "mit"
    assert choose_licence("mit", found).sentence == found.sentence
    unknown = licence("r50", "timm/resnet50.a1_in1k")
    assert unknown.identifier == ""
    assert "weights of timm/resnet50.a1_in1k" in unknown.sentence
    assert licence("r50", "").sentence == "It started from random weights."
