"""Packs a data set into ArrayRecord files, once, in the format of TFDS:

python -m ipixmatch_jax.data.prepare voc --source DIR --out DIR
"""

import json
import lzma
import pathlib
import tarfile
import tempfile
import zipfile
import zlib

from ipixmatch_jax.data.data_set_kind import Pack
from ipixmatch_jax.data.records import array_record
from ipixmatch_jax.data.registry import DATASETS
from ipixmatch_jax.utils.atomic import write_file
from ipixmatch_jax.utils.file_names import printable

# What zipfile and tarfile raise; RuntimeError for a password.
_DAMAGE = (
    EOFError,
    RuntimeError,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


def packable() -> tuple[str, ...]:
    """The names of the data sets that can be packed."""
    return tuple(str(name) for name, kind in DATASETS.items() if kind.pack)


def prepare(
    name: str, source: pathlib.Path, out: pathlib.Path
) -> tuple[pathlib.Path, dict[str, int]]:
    """Packs one data set; unpacks its archives first where it must.

    Args:
      name: one of `packable`.
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
            f"{name} cannot be packed; choose one of {', '.join(packable())}."
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
    """The members whose path holds one of `parts`.

    Raises:
      ValueError: the archive is damaged, or cannot be unpacked.
    """
    extract = _extract_tar if archive.suffix == ".tar" else _extract_zip
    try:
        extract(archive, folder, parts)
    except _DAMAGE as error:
        raise ValueError(
            f"{archive} is damaged, cut off or not such an archive ({error}): "
            "download it again."
        ) from error


def _extract_tar(
    archive: pathlib.Path, folder: pathlib.Path, parts: tuple[str, ...]
) -> None:
    with tarfile.open(archive) as tar:
        for member in tar:
            if any(part in member.name for part in parts):
                tar.extract(member, folder, filter="data")


def _extract_zip(
    archive: pathlib.Path, folder: pathlib.Path, parts: tuple[str, ...]
) -> None:
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
        split: [printable(source.name(i)) for i in range(len(source))]
        for split, source in contents.splits.items()
    }
    pairs = zip(contents.class_names, contents.palette, strict=True)
    write_file(target / array_record.NAMES, json.dumps(names).encode())
    # Last: a set without it is refused, so one that was cut short is too.
    write_file(
        target / "classes.json", json.dumps(dict(pairs), indent=1).encode()
    )
    return {split: len(listed) for split, listed in names.items()}
