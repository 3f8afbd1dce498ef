"""What a method changes in a recipe: on every data set, on VOC, on Cityscapes.

UniMatch v1's recipe, which `unimatch` and `fixmatch` share, is what
configs/common.py, voc.py and cityscapes.py hold; the other methods' published
recipes are here. docs/methods.md says what differs from the originals.
"""

from ml_collections import ConfigDict

NAMES = (
    "supervised",
    "mean_teacher",
    "fixmatch",
    "unimatch",
    "augseg",
    "cps",
)


def set_method(c: ConfigDict, method: str) -> None:
    """The fields that go with a method whatever the data set."""
    c.method = method
    if method == "supervised":
        c.inter_pixel.weight = 0.0  # nothing is compared
    if method == "mean_teacher":
        c.ema.rampup = False  # (French et al.)
    if method == "cps":
        c.teacher = "shared"  # the students label for each other
        c.pseudo_label.threshold = 0.0  # every label counts (CPS)


def set_voc(c: ConfigDict, unlabelled: int) -> None:
    """The published recipe of `c.method` on VOC.

    Args:
      c: UniMatch v1's recipe, changed in place.
      unlabelled: images of the split's unlabelled list.
    """
    if c.method == "supervised":
        # v1 advises twice the batch; its epochs are over the labelled list,
        # ours as many steps as the other methods take.
        c.train.batch_size = 16
    elif c.method == "mean_teacher":
        _set_french(c, rate=1e-6, batch_size=10)
    elif c.method == "augseg":
        c.data.crop_size = 513
        c.ema.decay = 0.999
        _set_augseg(c, epochs=80, epoch=_epoch(unlabelled, 2, 8))
    elif c.method == "cps":
        # 0.0025 times four GPUs, and one weight with CutMix.
        c.data.crop_size = 512
        _set_cps(c, rate=0.01, weight=1.0)
        # 60 epochs of all 10,582 images at batch 16, for every split.
        _set_cps_steps(c, 10_582 * 60 / 16, unlabelled)


def set_cityscapes(c: ConfigDict, unlabelled: int) -> None:
    """The published recipe of `c.method` on Cityscapes; see set_voc."""
    if c.method == "supervised":
        c.train.batch_size = 16
    elif c.method == "mean_teacher":
        # Theirs: DeepLabV2, crops of 256 x 512 from images of half the size.
        _set_french(c, rate=3e-6, batch_size=4)
    elif c.method == "augseg":
        c.data.crop_size = 800
        c.ema.decay = 0.996
        c.train.learning_rate = 0.01
        c.train.weight_decay = 5e-4
        c.loss.ohem_min_kept = 100_000
        _set_augseg(c, epochs=240, epoch=_epoch(unlabelled, 4, 4))
    elif c.method == "cps":
        # The script's rate; 5 is the weight with CutMix, 6 without.
        c.data.crop_size = 800
        _set_cps(c, rate=0.02, weight=5.0)
        _set_cps_steps(c, 2_975 * 240 / 16, unlabelled)


def _set_french(c: ConfigDict, rate: float, batch_size: int) -> None:
    # Frozen batch norms in theirs; here they learn.
    c.train.optimiser = "adam"
    c.train.schedule = "constant"
    c.train.learning_rate = rate
    c.train.head_multiplier = 10.0
    c.train.weight_decay = 0.0
    c.train.batch_size = batch_size
    c.train.steps = 40_000
    c.train.eval_every = 1_000
    c.ema.decay = 0.99
    c.pseudo_label.threshold = 0.97
    c.loss.labelled = "ce"


def _set_augseg(c: ConfigDict, epochs: int, epoch: int) -> None:
    c.train.batch_size = 16
    c.train.steps = epochs * epoch
    c.train.eval_every = epoch
    c.ema.copy_steps = epoch


def _set_cps(c: ConfigDict, rate: float, weight: float) -> None:
    # Theirs leaves batch norms and biases out of the weight decay.
    c.train.learning_rate = rate
    c.train.head_multiplier = 1.0
    c.loss.unlabelled_weight = weight


def _set_cps_steps(c: ConfigDict, steps: float, unlabelled: int) -> None:
    """As many whole epochs as come nearest to `steps` at batch 8."""
    c.train.batch_size = 8
    epochs = round(steps * 8 / unlabelled)
    c.train.steps = epochs * (unlabelled // 8)
    c.train.eval_every = unlabelled // 8


def _epoch(unlabelled: int, processes: int, per_process: int) -> int:
    """Steps of an epoch that drops the last short batch."""
    return -(-unlabelled // processes) // per_process
