"""Packs a data set into ArrayRecord files, once, in the format of TFDS:

python -m ipixmatch_jax.data.prepare voc --source DIR --out DIR
"""

import json
import pathlib
import tarfile
import tempfile
import zipfile

from ipixmatch_jax.data.datasets import voc
from ipixmatch_jax.data.records import array_record
from ipixmatch_jax.utils.atomic import write_file

# The archives as they are downloaded, and what of them is unpacked.
ARCHIVES = {
    "voc": {
        "VOCtrainval_11-May-2012.tar": (
            "/JPEGImages/",
            "/SegmentationClass/",
            "/ImageSets/Segmentation/",
        ),
        "SegmentationClassAug.zip": ("SegmentationClassAug/",),
    },
    "cityscapes": {
        "leftImg8bit_trainvaltest.zip": ("/train/", "/val/"),
        "gtFine_trainvaltest.zip": ("_labelIds.png",),
    },
    "folder": {},
}


def prepare(
    name: str, source: pathlib.Path, out: pathlib.Path
) -> tuple[pathlib.Path, dict[str, int]]:
    """Packs one data set; unpacks its archives first where it must.

    Args:
      name: "voc", "cityscapes" or "folder".
      source: holds the archives as downloaded, or the unpacked folders.
      out: gets `<name>_segmentation/1.0.0`.

    Returns:
      the folder of the set, and the images of each split.

    Raises:
      FileNotFoundError: archives or files of the data set are absent.
      ValueError: a file cannot be used, or the set is there already.
    """
    if not source.is_dir():
        raise FileNotFoundError(f"No folder at {source} to pack.")
    target = out / f"{name}_segmentation" / "1.0.0"
    if target.exists():
        raise ValueError(f"{target} is there already: remove it to pack anew.")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".unpacked") as temporary:
        found = [a for a in ARCHIVES[name] if (source / a).is_file()]
        for archive in found:
            parts = ARCHIVES[name][archive]
            _unpack(source / archive, pathlib.Path(temporary), parts)
        root = pathlib.Path(temporary) if found else source
        if found:
            _gather_masks(root)
        return target, _build(name, root, target)


def _unpack(
    archive: pathlib.Path, folder: pathlib.Path, parts: tuple[str, ...]
) -> None:
    """The members whose path holds one of `parts`."""
    if archive.suffix == ".tar":
        with tarfile.open(archive) as tar:
            for member in tar:
                if any(part in member.name for part in parts):
                    tar.extract(member, folder, filter="data")
        return
    with zipfile.ZipFile(archive) as zipped:
        for name in zipped.namelist():
            if any(part in name for part in parts) and "__MACOSX" not in name:
                zipped.extract(name, folder)


def _gather_masks(root: pathlib.Path) -> None:
    """Links SBD's masks into VOC's folder, where they lie beside it."""
    below, beside = voc.find_root(root), root / voc.MASK_FOLDERS[1]
    if below != root and beside.is_dir():
        link = below / beside.name
        if not link.exists():
            link.symlink_to(beside.resolve())


def _build(
    name: str, root: pathlib.Path, target: pathlib.Path
) -> dict[str, int]:
    import tensorflow_datasets as tfds

    from ipixmatch_jax.data.prepare import builders

    # Opened here too, so that what is wrong is said before TFDS starts.
    contents = builders.BUILDERS[name].open_contents(root)
    builder = builders.BUILDERS[name](
        data_dir=target.parents[1], file_format="array_record"
    )
    with tempfile.TemporaryDirectory() as nothing:  # TFDS makes such folders
        builder.download_and_prepare(
            download_dir=nothing,
            download_config=tfds.download.DownloadConfig(manual_dir=root),
        )
    names = {
        split: [source.name(i) for i in range(len(source))]
        for split, source in contents.splits.items()
    }
    pairs = zip(contents.class_names, contents.palette, strict=True)
    write_file(target / array_record.NAMES, json.dumps(names).encode())
    # Last: a set without it is refused, so one that was cut short is too.
    write_file(
        target / "classes.json", json.dumps(dict(pairs), indent=1).encode()
    )
    return {split: len(listed) for split, listed in names.items()}
