"""TFDS builders of VOC, Cityscapes and one's own folder.

Their masks hold class ids, 255 = left out, whatever the files held; their
images are the files' own bytes. No TensorFlow: the features are given encoded.
"""

import abc
import io
import pathlib
from typing import ClassVar, NamedTuple

import tensorflow_datasets as tfds
from PIL import Image

from ipixmatch_jax.data.datasets import cityscapes, folder, voc
from ipixmatch_jax.data.files import file_source
from ipixmatch_jax.data.files.class_list import Colour
from ipixmatch_jax.data.files.split_list import Entry
from ipixmatch_jax.data.source import IGNORE, Source


class Contents(NamedTuple):
    """What a builder packs.

    Attributes:
      root: the folder that the names of the images are relative to.
      splits: the images of each split.
      class_names: one per class id.
      palette: one colour per class id.
    """

    root: pathlib.Path
    splits: dict[str, Source]
    class_names: tuple[str, ...]
    palette: tuple[Colour, ...]


class _Segmentation(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "Images, masks of class ids, names."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "See `open_contents` for the folder."

    @staticmethod
    @abc.abstractmethod
    def open_contents(source: pathlib.Path) -> Contents:
        """What a folder holds, checked."""

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
                height, width = source.size(i)
                mask = Image.new("L", (width, height), IGNORE)
            png = io.BytesIO()
            mask.save(png, "PNG")
            png.seek(0)
            image = io.BytesIO((root / name).read_bytes())
            yield i, {"image": image, "mask": png, "name": name}


class VocSegmentation(_Segmentation):
    """PASCAL VOC 2012, train with SBD's masks where these are, and val."""

    @staticmethod
    def open_contents(source: pathlib.Path) -> Contents:
        """A VOC2012 folder, or one that holds VOCdevkit/VOC2012."""
        root = voc.find_root(source)
        train, val = voc.own_lists(root)
        splits = {"train": _with_augmented(root, train, val), "val": val}
        count = len(voc.CLASS_NAMES)
        sources = {
            name: file_source.FileSource(
                root, file_source.labelled_entries(root, entries, root), count
            )
            for name, entries in splits.items()
        }
        return Contents(root, sources, voc.CLASS_NAMES, voc.PALETTE)


def _with_augmented(
    root: pathlib.Path, train: list[Entry], val: list[Entry]
) -> list[Entry]:
    """Train and every image that SBD's masks add to it, in order."""
    known = {image for image, _ in [*train, *val]}
    folder_name = voc.MASK_FOLDERS[1]
    added = [
        (f"JPEGImages/{path.stem}.jpg", f"{folder_name}/{path.name}")
        for path in (root / folder_name).glob("*.png")
    ]
    return sorted([*train, *(e for e in added if e[0] not in known)])


class CityscapesSegmentation(_Segmentation):
    """Cityscapes, fine annotations, train and val."""

    @staticmethod
    def open_contents(source: pathlib.Path) -> Contents:
        """A folder that holds leftImg8bit and gtFine."""
        sources = {}
        lists = zip(("train", "val"), cityscapes.own_lists(source), strict=True)
        for name, entries in lists:
            located = cityscapes.locate(source, entries)
            sources[name] = file_source.FileSource(
                source,
                file_source.labelled_entries(source, located, source),
                len(cityscapes.CLASS_NAMES),
                {cityscapes.ALL_IDS: cityscapes.TABLE},
            )
        return Contents(
            source, sources, cityscapes.CLASS_NAMES, cityscapes.PALETTE
        )


class FolderSegmentation(_Segmentation):
    """One's own folder (data/folder.py), with its hold-out as val."""

    @staticmethod
    def open_contents(source: pathlib.Path) -> Contents:
        """A folder of images/ and masks/."""
        data = folder.open_set(str(source), "", "")
        parts = {
            "train": data.labelled,
            "unlabelled": data.unlabelled,
            "val": data.val,
            "test": data.test,
        }
        sources = {name: part for name, part in parts.items() if part}
        return Contents(source, sources, data.class_names, data.palette)


BUILDERS = {
    "voc": VocSegmentation,
    "cityscapes": CityscapesSegmentation,
    "folder": FolderSegmentation,
}
