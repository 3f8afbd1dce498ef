"""The TFDS builder that packs a data set of the registry.

Masks are packed as PNGs of class ids, 255 = left out, whatever the files
held; images are packed as the files' own bytes. TensorFlow is not needed,
since the features are given encoded.
"""

import io
import pathlib
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from ipixmatch_jax.data.data_set_kind import Contents
from ipixmatch_jax.data.source import IGNORE, Source
from ipixmatch_jax.utils.file_names import printable


# tfds comes without types, so mypy knows object.__init_subclass__ alone.
class _Segmentation(
    tfds.core.GeneratorBasedBuilder,
    skip_registration=True,  # type: ignore[call-arg]
):
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "Images, masks of class ids, names."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "See `open_contents` for the folder."

    open_contents: Callable[[pathlib.Path], Contents]  # see `builder_class`

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "mask": tfds.features.Image(shape=(None, None, 1)),
            "name": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features),
            # In order, so that a list of names finds them.
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        contents = self.open_contents(pathlib.Path(dl_manager.manual_dir))
        return {
            split: self._generate_examples(contents.root, source)
            for split, source in contents.splits.items()
        }

    def _generate_examples(self, root: pathlib.Path, source: Source):
        for i in range(len(source)):
            name = source.name(i)
            mask = source.mask(i)
            if mask is None:
                ids = np.full(source.size(i), IGNORE, np.uint8)
            else:
                ids = np.asarray(mask)
            png = io.BytesIO()
            Image.fromarray(ids).save(png, "PNG")
            png.seek(0)
            image = io.BytesIO((root / name).read_bytes())
            yield i, {"image": image, "mask": png, "name": printable(name)}


def builder_class(
    name: str, open_contents: Callable[[pathlib.Path], Contents]
) -> type[_Segmentation]:
    """The builder of `<name>_segmentation`."""
    fields = {
        "name": f"{name}_segmentation",
        "open_contents": staticmethod(open_contents),
    }
    return type(
        "PackedSegmentation", (_Segmentation,), fields, skip_registration=True
    )
