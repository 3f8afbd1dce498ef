"""Your own images, some of them with masks: any number of classes.

    python -m ipixmatch_jax.main --config configs/folder.py:r50 \
        --config.data.root=DIR
    python -m ipixmatch_jax.main --config configs/folder.py:dinov2s \
        --config.data.root=DIR --config.model.pretrained=facebook/dinov2-small

docs/own_data.md says what DIR holds. `tiny` and `dinov2tiny` are for CPUs and
need no weights; the rates of the others assume pretrained weights
(model.pretrained), which `r50c4` takes on a CPU too. The recipes are ours; that
of a vision transformer is UniMatch V2's with half the batch, and so half the
rate. The inter-pixel term is left out, because docs/ablation.md found no gain
from it; `--config.inter_pixel.weight=0.1` adds it.
"""

from ml_collections import ConfigDict

from ipixmatch_jax.configs import common
from ipixmatch_jax.models.registry import BACKBONES


def get_config(arg: str = "") -> ConfigDict:
    """The recipe of `<backbone>[,method=...]`, default r50."""
    backbone, _, method = common.parse(arg, (), "r50")
    entry = BACKBONES[backbone]
    c = common.base()
    c.data.name = "folder"
    c.model.backbone = backbone
    c.inter_pixel.weight = 0.0
    c.train.eval_every = 500
    c.train.save_every = 500
    if entry.for_cpus:
        _shorten(c)
    elif common.is_transformer(backbone):
        common.set_unimatch_v2(
            c, method or "unimatch_v2", crop_size=518, batch_size=16
        )
        c.train.batch_size = 8  # For one GPU; the rate is scaled.
        return c
    c.update_from_flattened_dict(dict(entry.short_recipe))
    # Unless named, the method whose step is the cheapest on a CPU.
    on_cpu = entry.for_cpus or entry.short_recipe
    common.set_method(c, method or ("fixmatch" if on_cpu else "unimatch"))
    return c


def _shorten(c: ConfigDict) -> None:
    """CamVid's recipe: a run this short has no time for a slow teacher."""
    c.data.crop_size = 193
    c.train.steps = 2000
    c.train.batch_size = 4
    c.train.learning_rate = 0.04
    c.train.head_multiplier = 1.0
    common.adapt_to_transformer(c)
    c.ema.decay = 0.99
    c.pseudo_label.threshold = 0.9
    c.inter_pixel.threshold = 0.9
    c.inter_pixel.warmup_steps = 500
