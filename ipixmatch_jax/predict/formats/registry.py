"""The formats of predictions by name, as --format takes them."""

from ipixmatch_jax.predict.formats.base import LabelFormat
from ipixmatch_jax.predict.formats.coco import Coco
from ipixmatch_jax.predict.formats.cvat import Cvat
from ipixmatch_jax.predict.formats.labelme import LabelMe
from ipixmatch_jax.predict.formats.labelstudio import LabelStudio
from ipixmatch_jax.predict.formats.masks import Masks
from ipixmatch_jax.utils.registry import Registry

FORMATS: Registry[LabelFormat] = Registry(
    "format",
    {
        "masks": Masks(),
        "coco": Coco(),
        "cvat": Cvat(),
        "labelme": LabelMe(),
        "labelstudio": LabelStudio(),
    },
)
