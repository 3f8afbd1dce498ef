"""Packs the archives or folders of a data set into ArrayRecord files."""

import json
import pathlib
import tempfile

from ipixmatch_jax.data.data_set_kind import DataSetKind
from ipixmatch_jax.data.prepare.in_place import unpack_archives
from ipixmatch_jax.data.records import array_record
from ipixmatch_jax.data.registry import DATASETS
from ipixmatch_jax.utils.atomic import write_file
from ipixmatch_jax.utils.file_names import printable


def packable_names() -> tuple[str, ...]:
    """The names of the data sets that can be packed."""
    return tuple(
        str(name) for name, kind in DATASETS.items() if kind.open_contents
    )


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
    kind = DATASETS[name]
    if kind.open_contents is None:
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
        root = source
        if kind.download and unpack_archives(
            kind.download, source, pathlib.Path(temporary)
        ):
            root = pathlib.Path(temporary)
            if kind.download.complete:
                kind.download.complete(root)
        return target, _build(name, kind, root, target)


def _build(
    name: str, kind: DataSetKind, root: pathlib.Path, target: pathlib.Path
) -> dict[str, int]:
    import tensorflow_datasets as tfds

    from ipixmatch_jax.data.prepare import builders

    assert kind.open_contents is not None
    # Opened here too, so that what is wrong is said before TFDS starts.
    contents = kind.open_contents(root)
    builder = builders.builder_class(name, kind.open_contents)(
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
