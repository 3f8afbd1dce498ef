"""Packs the archives or folders of a data set into ArrayRecord files."""

import json
import pathlib
import tarfile
import tempfile
import zipfile

from ipixmatch_jax.data.data_set_kind import Pack
from ipixmatch_jax.data.records import array_record
from ipixmatch_jax.data.registry import DATASETS
from ipixmatch_jax.utils.atomic import write_file


def packable_names() -> tuple[str, ...]:
    """The names of the data sets that can be packed."""
    return tuple(str(name) for name, kind in DATASETS.items() if kind.pack)


def pack_data_set(
    name: str, source: pathlib.Path, out: pathlib.Path
) -> tuple[pathlib.Path, dict[str, int]]:
    """Packs one data set; unpacks its archives first where it must.

    Args:
      name: one of `packable_names`.
      source: holds the archives as downloaded, or the unpacked folders.
      out: gets `<name>_segmentation/1.0.0`.

    Returns:
      the folder of the set, and the images of each split.

    Raises:
      FileNotFoundError: archives or files of the data set are absent.
      ValueError: the set cannot be packed or is there already, or a file
        cannot be used.
    """
    pack = DATASETS[name].pack
    if pack is None:
        raise ValueError(
            f"{name} cannot be packed; choose one of "
            f"{', '.join(packable_names())}."
        )
    if not source.is_dir():
        raise FileNotFoundError(f"No folder at {source} to pack.")
    target = out / f"{name}_segmentation" / "1.0.0"
    if target.exists():
        raise ValueError(f"{target} is there already: remove it to pack anew.")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".unpacked") as temporary:
        found = [a for a in pack.archives if (source / a).is_file()]
        for archive in found:
            parts = pack.archives[archive]
            _unpack(source / archive, pathlib.Path(temporary), parts)
        root = pathlib.Path(temporary) if found else source
        if found and pack.arrange:
            pack.arrange(root)
        return target, _build(name, pack, root, target)


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


def _build(
    name: str, pack: Pack, root: pathlib.Path, target: pathlib.Path
) -> dict[str, int]:
    import tensorflow_datasets as tfds

    from ipixmatch_jax.data.prepare import builders

    # Opened here too, so that what is wrong is said before TFDS starts.
    contents = pack.open_contents(root)
    builder = builders.builder_class(name, pack)(
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
