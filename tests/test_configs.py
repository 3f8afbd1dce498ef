"""Every recipe: its argument, its figures, its fields."""

import pytest

from configs import camvid, cityscapes, common, shapes, voc
from ipixmatch_jax import configuration


@pytest.mark.parametrize("module", [voc, cityscapes, camvid, shapes])
def test_the_default_recipe_passes_its_own_check(module):
    configuration.check(module.get_config())


EPOCHS = {"92": 1311, "183": 1300, "366": 1277, "732": 1231, "1464": 1140}
EPOCHS |= {"1_16": 1240, "1_8": 1157, "1_4": 992}


@pytest.mark.parametrize(("split", "epoch"), EPOCHS.items())
def test_voc_has_unimatchs_iterations(split, epoch):
    config = voc.get_config(f"r101_{split}")
    assert config.train.steps == 80 * epoch
    assert config.data.split == split


@pytest.mark.parametrize(
    ("split", "epoch"),
    [("1_30", 359), ("1_16", 349), ("1_8", 325), ("1_4", 279), ("1_2", 186)],
)
def test_cityscapes_has_unimatchs_iterations(split, epoch):
    config = cityscapes.get_config(f"r50_{split}")
    assert config.train.steps == 240 * epoch
    assert config.model.backbone == "r50"


@pytest.mark.parametrize(
    "arg", ["r18_1_8", "r101", "r101_1_3", "r101-1_8", "1_8", "r101_1_8_"]
)
def test_a_wrong_argument_lists_the_right_ones(arg):
    with pytest.raises(ValueError, match=r"r50 r101 tiny.*92 183 366"):
        voc.get_config(arg)


def test_unlabelled_counts_are_those_of_the_published_lists(published_splits):
    for name, module in (("pascal", voc), ("cityscapes", cityscapes)):
        for split, count in module.UNLABELLED.items():
            path = published_splits / name / split / "unlabeled.txt"
            assert len(path.read_text().splitlines()) == count


def test_a_config_survives_its_json(tmp_path):
    config = common.base()
    configuration.save(config, tmp_path)
    assert configuration.load(tmp_path).to_dict() == config.to_dict()


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"not the --workdir of a run"):
        configuration.load(tmp_path)
