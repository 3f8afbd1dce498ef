"""Every recipe: its argument, its numbers and its fields."""

import re

import pytest
from ml_collections import FrozenConfigDict

from ipixmatch_jax.configs import (
    ade20k,
    camvid,
    cityscapes,
    coco,
    common,
    folder,
    shapes,
    tfds,
    voc,
)
from ipixmatch_jax.configuration import saved
from ipixmatch_jax.experiment import resolve, validate
from ipixmatch_jax.methods.registry import METHODS

MODULES = {
    voc: "r101_1_8",
    cityscapes: "r101_1_16",
    camvid: "tiny_1_8",
    shapes: "tiny_1_16",
    folder: "r50",
    ade20k: "dinov2b_1_16",
    coco: "dinov2b_1_512",
}


@pytest.mark.parametrize("module", MODULES)
def test_the_default_recipe_passes_its_own_check(module):
    validate.check_config(module.get_config())


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


@pytest.mark.parametrize(
    ("module", "arg", "nearest"),
    [
        (folder, "tinny", "tiny"),
        (folder, "tiny,method=fixmach", "fixmatch"),
        (voc, "r101_1_88", "r101_1_8"),
    ],
)
def test_a_wrong_argument_is_answered_with_the_nearest(module, arg, nearest):
    with pytest.raises(ValueError, match=rf"Did you mean {nearest}\?$"):
        module.get_config(arg)


def test_unlabelled_counts_are_those_of_the_published_lists(published_splits):
    for name, module in (("pascal", voc), ("cityscapes", cityscapes)):
        for split, count in module.UNLABELLED.items():
            path = published_splits / name / split / "unlabeled.txt"
            assert len(path.read_text().splitlines()) == count


def test_a_config_is_the_same_after_json(tmp_path):
    config = common.base()
    saved.save_config(config, tmp_path)
    assert saved.load_config(tmp_path).to_dict() == config.to_dict()


def test_a_config_that_lacks_a_field_is_named():
    config = shapes.get_config().unlock()
    del config.train["optimiser"]
    with pytest.raises(ValueError, match=r"lacks the field config\.train\.opt"):
        validate.check_config(config)


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"not the --workdir of a run"):
        saved.load_config(tmp_path)
    run = tmp_path / "run"
    run.mkdir()
    saved.save_config(shapes.get_config(), run)
    words = rf"a run; it holds runs, such as {re.escape(str(run))}\."
    with pytest.raises(FileNotFoundError, match=words):
        saved.load_config(tmp_path)


@pytest.mark.parametrize("method", METHODS)
def test_every_recipe_takes_every_method(method):
    for module, default in MODULES.items():
        config = module.get_config(f"{default},method={method}")
        assert config.method == method
        validate.check_config(config)
        assert config.data.split == module.get_config().data.split


def test_the_hosts_where_none_is_named():
    hosts = [module.get_config().method for module in MODULES]
    assert hosts == [
        *("unimatch", "unimatch", "fixmatch", "fixmatch", "unimatch"),
        *("unimatch_v2", "unimatch_v2"),
    ]
    assert folder.get_config("tiny").method == "fixmatch"
    assert voc.get_config().teacher == "ema"


@pytest.mark.parametrize(
    "arg", ["r101_1_8,method=fixmatsch", "r101_1_8,method=", "method=ema"]
)
def test_a_wrong_method_lists_the_right_ones(arg):
    with pytest.raises(ValueError, match=r"supervised mean_teacher fixmatch"):
        voc.get_config(arg)


@pytest.mark.parametrize("arg", ["r18", "r50_1_8", "tiny,method=x", "r50,cps"])
def test_a_folder_has_no_split_in_its_argument(arg):
    with pytest.raises(ValueError, match=r"r50 r101 tiny|supervised mean_"):
        folder.get_config(arg)


@pytest.mark.parametrize(
    ("module", "arg"), [(camvid, "r50c4_1_16"), (folder, "r50c4")]
)
@pytest.mark.parametrize("method", ["", ",method=supervised"])
def test_r50c4_is_fixmatch_with_frozen_first_stages(module, arg, method):
    config = module.get_config(arg + method)
    validate.check_config(config)
    assert config.method == ("supervised" if method else "fixmatch")
    assert (config.model.stem, config.model.freeze) == ("7x7", "stem,layer1")
    assert config.train.reference_batch_size == 4


def test_only_recipes_for_own_data_leave_the_inter_pixel_term_out():
    for arg in ("r50", "r50c4", "tiny", "dinov2s", "tiny,method=cps"):
        assert folder.get_config(arg).inter_pixel.weight == 0
    assert tfds.get_config().inter_pixel.weight == 0
    for module in (voc, camvid, shapes):
        assert module.get_config().inter_pixel.weight == 0.1


def test_a_folders_classes_come_from_the_data():
    for arg in ("r50", "r101", "tiny", "tiny,method=cps"):
        assert folder.get_config(arg).model.num_classes == 0


def test_a_tfds_argument_is_a_name_and_a_folders_recipe():
    config = tfds.get_config("oxford_iiit_pet,tiny,method=cps")
    assert (config.data.name, config.data.tfds) == ("tfds", "oxford_iiit_pet")
    assert (config.model.backbone, config.method) == ("tiny", "cps")
    config = tfds.get_config("own/small:1.0.0")
    assert config.data.tfds == "own/small:1.0.0"
    assert config.model.backbone == "r50"
    validate.check_config(tfds.get_config())
    with pytest.raises(ValueError, match="r50 r101 tiny"):
        tfds.get_config("oxford_iiit_pet,r18")


def test_a_method_alone_takes_the_default_split():
    config = voc.get_config("method=cps")
    assert (config.data.split, config.method) == ("1_8", "cps")


# From the table in TorchSemiSeg's guide.
CPS_EPOCHS = {voc: {"1_16": 32, "1_8": 34, "1_4": 40}}
CPS_EPOCHS[cityscapes] = {"1_16": 128, "1_8": 137, "1_4": 160, "1_2": 240}


@pytest.mark.parametrize("module", [voc, cityscapes])
def test_cps_has_the_epochs_of_its_guide(module):
    for split, epochs in CPS_EPOCHS[module].items():
        train = module.get_config(f"r50_{split},method=cps").train
        assert train.steps == epochs * (module.UNLABELLED[split] // 8)


@pytest.mark.parametrize(
    ("module", "split", "steps"),
    [(voc, "1_8", 80 * 578), (cityscapes, "1_16", 240 * 174)],
)
def test_augseg_has_its_published_epochs_with_batches_of_sixteen(
    module, split, steps
):
    config = module.get_config(f"r101_{split},method=augseg")
    assert config.train.steps == steps
    assert config.ema.copy_steps == config.train.eval_every
    assert config.train.batch_size == 16


def test_french_trains_with_a_constant_rate_and_decay():
    config = voc.get_config("r101_1_8,method=mean_teacher")
    assert (config.train.optimiser, config.train.schedule) == (
        "adam",
        "constant",
    )
    rate = config.train.learning_rate
    assert rate * config.train.head_multiplier == pytest.approx(1e-5)
    assert config.train.steps == 40_000
    assert (config.ema.decay, config.ema.rampup) == (0.99, False)


@pytest.mark.parametrize(
    ("method", "teacher", "needed"),
    [("cps", "ema", "shared"), ("mean_teacher", "shared", "ema")],
)
def test_a_teacher_that_does_not_fit_the_method_is_refused(
    method, teacher, needed
):
    config = voc.get_config("r101_1_8")
    config.method, config.teacher = method, teacher
    with pytest.raises(ValueError, match=f"--config.teacher={needed}"):
        validate.check_config(config)


# From UniMatch V2's config files and logs: steps an epoch of the first split.
V2 = {
    (voc, "92"): (518, 16, 60 * 655, "ce"),
    (cityscapes, "1_16"): (798, 8, 180 * 348, "ohem"),
    (ade20k, "1_64"): (518, 8, 60 * 2486, "ce"),
    (coco, "1_512"): (518, 16, 20 * 7378, "ce"),
}


@pytest.mark.parametrize("key", V2)
@pytest.mark.parametrize("backbone", ["dinov2s", "dinov2b", "dinov3l"])
def test_a_transformer_has_unimatch_v2s_recipe(key, backbone):
    module, split = key
    crop, batch, steps, loss = V2[key]
    config = module.get_config(f"{backbone}_{split}")
    validate.check_config(config)
    train = config.train
    if backbone == "dinov3l":
        crop = {518: 528, 798: 800}[crop]
    assert config.method == "unimatch_v2"
    assert (config.data.crop_size, config.loss.labelled) == (crop, loss)
    assert (train.batch_size, train.steps) == (batch, steps)
    assert (train.optimiser, train.schedule) == ("adamw", "poly")
    assert train.learning_rate == 5e-6
    assert train.learning_rate * train.head_multiplier == 2e-4
    assert (train.weight_decay, config.pseudo_label.threshold) == (0.01, 0.95)
    assert (config.ema.decay, config.ema.rampup) == (0.996, True)
    assert config.loss.ohem_min_kept == 200_000


# Their labelled lists: the counts of the published lists; and all images.
LABELLED = {
    ade20k: ({"1_64": 316, "1_32": 631, "1_16": 1263, "1_8": 2526}, 20210),
    coco: ({"1_512": 232, "1_256": 463, "1_128": 925, "1_64": 1849}, 118287),
}
LABELLED[ade20k][0].update({"1_4": 5052, "1_2": 10105})
LABELLED[coco][0]["1_32"] = 3697


@pytest.mark.parametrize("module", LABELLED)
def test_labelled_and_unlabelled_images_are_all_of_train(module):
    labelled, images = LABELLED[module]
    assert {k: images - n for k, n in labelled.items()} == module.UNLABELLED
    for split in labelled:
        config = module.get_config(f"dinov2s_{split}")
        assert config.data.split == split
        assert config.model.num_classes == (81 if module is coco else 150)


@pytest.mark.parametrize(
    ("module", "split", "steps"),
    [(ade20k, "1_16", 40 * 2368), (coco, "1_32", 30 * 14324)],
)
def test_a_resnet_has_the_published_settings_of_the_large_sets(
    module, split, steps
):
    """PrevMatch's on ADE20K (2 GPUs of 4), UniMatch v1's on COCO (4 of 2)."""
    config = module.get_config(f"r101_{split}")
    validate.check_config(config)
    assert (config.data.crop_size, config.loss.labelled) == (513, "ce")
    assert (config.train.steps, config.train.batch_size) == (steps, 8)
    train = config.train
    assert (train.learning_rate, train.head_multiplier) == (4e-3, 10.0)
    assert (config.method, config.pseudo_label.threshold) == ("unimatch", 0.95)


def test_v2s_other_methods_keep_its_recipe():
    config = voc.get_config("dinov2s_92,method=supervised")
    assert (config.train.batch_size, config.inter_pixel.weight) == (32, 0.0)
    for method in ("fixmatch", "cps", "augseg", "mean_teacher"):
        config = voc.get_config(f"dinov2b_92,method={method}")
        validate.check_config(config)
        assert config.train.optimiser == "adamw"
        assert config.train.batch_size == 16
    assert voc.get_config("dinov2s_92,method=fixmatch").teacher == "ema"


@pytest.mark.parametrize(
    ("module", "arg", "crop", "rate"),
    [
        (camvid, "dinov2tiny_1_8", 196, 1e-3),
        (camvid, "dinov2s_1_16", 196, 1.25e-6),
        (camvid, "dinov3s_1_16", 208, 1.25e-6),
        (shapes, "dinov2tiny_1_16", 56, 1e-3),
        (shapes, "dinov3tiny_1_16", 64, 1e-3),
        (folder, "dinov3tiny", 208, 1e-3),
    ],
)
def test_a_short_recipe_suits_a_transformer(module, arg, crop, rate):
    config = module.get_config(arg)
    validate.check_config(config)
    assert config.data.crop_size == crop
    assert config.train.optimiser == "adamw"
    assert config.train.learning_rate == pytest.approx(rate)


def test_the_rate_of_a_folders_transformer_goes_with_its_batch():
    config = folder.get_config("dinov2s")
    validate.check_config(config)
    resolved = resolve.with_batch_size(FrozenConfigDict(config), 8)
    assert resolved.train.learning_rate == pytest.approx(2.5e-6)
    # The rate that is kept is not scaled a second time.
    again = resolve.with_batch_size(resolved, 8)
    assert again.train.learning_rate == resolved.train.learning_rate
    config = folder.get_config("dinov2tiny")
    validate.check_config(config)
    assert (config.data.crop_size, config.train.optimiser) == (196, "adamw")
