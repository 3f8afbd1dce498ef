"""ArrayRecord sets as TFDS writes them, read by position and without TFDS.

A set is a folder with `dataset_info.json`, `features.json` and per split the
files `NAME-SPLIT.array_record-0000I-of-0000N`, whose records are serialised
tf.train.Example messages: each image feature is the bytes of a PNG or JPEG.
Beside them, data/prepare writes `names.json` (split -> the images' names in
the order of the records) and `classes.json` (data/files/class_list.py).
"""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image

from ipixmatch_jax.data.files import decode, masks, stored_masks
from ipixmatch_jax.data.files.bands import Bands, Range
from ipixmatch_jax.data.files.mask_contents import Content, mask_content
from ipixmatch_jax.data.files.reading import Reading
from ipixmatch_jax.data.source import BadFileError, Sample, Source
from ipixmatch_jax.utils.json_files import read_json_object

INFO, FEATURES, NAMES = "dataset_info.json", "features.json", "names.json"

Entry = tuple[str, int]  # (split, position)

_WAY_OUT = "copy the whole folder again, or build the set anew"
# What grain's reader raises for a file that was cut off or changed.
_DAMAGE = (RuntimeError, ValueError, IndexError)


class RecordSet(NamedTuple):
    """One set on disk.

    Attributes:
      folder: that holds its files.
      lengths: records per split.
      image: the feature that holds images.
      mask: the feature that holds masks.
    """

    folder: pathlib.Path
    lengths: dict[str, int]
    image: str
    mask: str

    def names(self, split: str) -> list[str]:
        """The images' names in the order of the records of a split.

        Raises:
          ValueError: the file of the names is torn or of another set.
        """
        path = self.folder / NAMES
        if path.is_file():
            return _read_names(path, split, self.lengths[split])
        return [f"{split}/{i}" for i in range(self.lengths[split])]

    def entries(self, split: str) -> list[Entry]:
        """(split, position) of every record; empty without the split."""
        return [(split, i) for i in range(self.lengths.get(split, 0))]


class RecordSource(Source):
    """Some records of a set; its files are opened on first use."""

    def __init__(
        self,
        records: RecordSet,
        entries: Sequence[Entry],
        reading: Reading | None,
        channels: int = 3,
        value_range: Range | None = None,
    ):
        """Takes checked positions.

        Args:
          records: the set.
          entries: (split, position) of each image.
          reading: of the masks; None where the source is unlabelled.
          channels: of the images, see decode.read_image.
          value_range: of images of more than 8 bits, see the same.
        """
        self._set = records
        self._entries = tuple(entries)
        self._reading = reading
        self._channels = channels
        self._range = value_range
        splits = {split for split, _ in entries}
        names = {split: records.names(split) for split in splits}
        self._names = tuple(names[split][i] for split, i in entries)
        self._files: dict[str, Sequence[bytes]] = {}

    def __getstate__(self):
        return self.__dict__ | {"_files": {}}

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, i: int) -> Sample:
        features = self._features(i)
        data = self._image(i, features)
        image = decode.read_image(
            self._where(i), data, self._channels, self._range
        )
        if self._reading is None:
            return Sample(image, None)
        mask = self._mask(i, features, self._reading)
        if mask.size != image.size:
            raise BadFileError(
                f"The mask of {self._where(i)} is {mask.width}x{mask.height} "
                f"but its image is {image.size[0]}x{image.size[1]}."
            )
        return Sample(image, mask)

    def mask(self, i: int) -> Image.Image | None:
        """See `Source.mask`; does not decode the image."""
        if self._reading is None:
            return None
        return self._mask(i, self._features(i), self._reading)

    def name(self, i: int) -> str:
        """See `Source.name`: of the file that was packed, or split/position."""
        return self._names[i]

    def size(self, i: int) -> tuple[int, int]:
        """See `Source.size`; reads the record, decodes the header."""
        data = self._image(i, self._features(i))
        return decode.read_size(self._where(i), data)

    def is_deep(self, i: int) -> bool:
        """Whether an image has more than 8 bits per channel."""
        data = self._image(i, self._features(i))
        return decode.is_deep(self._where(i), data)

    def deep_bands(self, i: int) -> Bands:
        """The pixels of an image for which `is_deep` is true, as stored."""
        data = self._image(i, self._features(i))
        return decode.read_bands(self._where(i), data)

    def _where(self, i: int) -> str:
        return f"{self._names[i]} in {self._set.folder}"

    def _features(self, i: int):
        from google.protobuf import message
        from tensorflow_datasets.proto import tf_example_pb2

        split, position = self._entries[i]
        try:
            if split not in self._files:
                self._files[split] = _open_files(self._set.folder, split)
            record = self._files[split][position]
            example = tf_example_pb2.Example.FromString(record)
        except (*_DAMAGE, message.DecodeError) as error:
            raise BadFileError(
                f"{self._where(i)} cannot be read: record {position} of the "
                f"split {split} is damaged or cut off ({error})."
            ) from error
        return example.features.feature

    def _image(self, i: int, features) -> bytes:
        return self._bytes(i, features, self._set.image)

    def _mask(self, i: int, features, reading: Reading) -> Image.Image:
        where = self._where(i)
        data = self._bytes(i, features, self._set.mask)
        mask = stored_masks.read_stored(where, data)
        return masks.to_ids(mask, where, reading)

    def mask_content(self, i: int) -> Content:
        """What the mask file holds, before it is decided how it is read.

        Raises:
          BadFileError: it cannot be decoded.
        """
        where = self._where(i)
        data = self._bytes(i, self._features(i), self._set.mask)
        return mask_content(stored_masks.read_stored(where, data), where)

    def _bytes(self, i: int, features, name: str) -> bytes:
        values = features[name].bytes_list.value
        if len(values) != 1:
            raise BadFileError(f"{self._where(i)} has no {name}.")
        return values[0]


def _open_files(folder: pathlib.Path, split: str):
    import grain

    return grain.sources.ArrayRecordDataSource(_files(folder, split))


def _files(folder: pathlib.Path, split: str) -> list[str]:
    return sorted(map(str, folder.glob(f"*-{split}.array_record-*-of-*")))


def is_set(folder: pathlib.Path) -> bool:
    """Whether a folder holds a set."""
    return (folder / INFO).is_file()


def read_set(
    folder: pathlib.Path, image: str = "", mask: str = ""
) -> RecordSet:
    """Reads the description of a set.

    Args:
      folder: that holds dataset_info.json.
      image: the feature of the images; "" means the only one that can be.
      mask: the feature of the masks; "" means the only one that can be.

    Raises:
      FileNotFoundError: files of the set are absent.
      ValueError: it is in another format, or its features do not tell which
        is the image and which the mask.
    """
    info = _json(folder / INFO)
    form = info.get("fileFormat", "tfrecord")
    if form != "array_record":
        raise ValueError(
            f"{folder} is in the format {form}, which cannot be read by "
            "position: build it again with `tfds build NAME "
            "--file_format=array_record`."
        )
    lengths = {}
    for name, shards in _shard_lengths(folder / INFO, info).items():
        lengths[name] = sum(shards)
        got = len(_files(folder, name))
        if got != len(shards):
            raise FileNotFoundError(
                f"{folder} holds {got} of the {len(shards)} files of its "
                f"split {name}: copy the whole folder."
            )
    images, masks = _kinds(folder / FEATURES, _json(folder / FEATURES))
    return RecordSet(
        folder,
        lengths,
        _only(folder, "image", image, images, [*images, *masks]),
        _only(folder, "mask", mask, masks, [*images, *masks]),
    )


def _json(path: pathlib.Path) -> dict:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: no TFDS data set there.")
    return read_json_object(path, _WAY_OUT)


def _read_names(path: pathlib.Path, split: str, count: int) -> list[str]:
    names = read_json_object(path, _WAY_OUT).get(split)
    if not isinstance(names, list) or len(names) != count:
        raise ValueError(
            f"{path} does not name the {count} images of the split {split}: "
            f"{_WAY_OUT}."
        )
    return [str(name) for name in names]


def _shard_lengths(path: pathlib.Path, info: dict) -> dict[str, list[int]]:
    """The records of each file of each split, from dataset_info.json."""
    try:
        return {
            str(split["name"]): [int(n) for n in split["shardLengths"]]
            for split in info["splits"]
        }
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} does not list the splits of a TFDS data set ({error!r}): "
            f"{_WAY_OUT}."
        ) from error


def _kinds(path: pathlib.Path, found: dict) -> tuple[list[str], list[str]]:
    """Names of image features of three channels, and of one."""
    kinds: tuple[list[str], list[str]] = ([], [])
    try:
        for name, feature in found["featuresDict"]["features"].items():
            if "image" in feature:
                shape = feature["image"].get("shape", {})
                last = list(shape.get("dimensions", []))[-1:]
                kinds[last == ["1"]].append(name)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} does not list the features of a TFDS data set "
            f"({error!r}): {_WAY_OUT}."
        ) from error
    return kinds


def _only(
    folder: pathlib.Path, what: str, asked: str, fit: list, every: list
) -> str:
    """The feature that was asked for, or the only one that fits."""
    if asked in every or (not asked and len(fit) == 1):
        return asked or fit[0]
    raise ValueError(
        f"Which feature of {folder} is the {what}? It has the image features "
        f"{', '.join(every) or '(none)'}; name one with "
        f"--config.data.{what}_feature=NAME."
    )
