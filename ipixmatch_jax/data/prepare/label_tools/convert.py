"""Turns an export of a label tool into a folder to train on."""

import pathlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image
from tqdm import tqdm

from ipixmatch_jax.cli.commands import call_of
from ipixmatch_jax.data.files import decode
from ipixmatch_jax.data.files.foreign_layouts import find_export
from ipixmatch_jax.data.prepare.label_tools.class_ids import (
    ClassIds,
    make_class_ids,
)
from ipixmatch_jax.data.prepare.label_tools.export import (
    Export,
    NotAnExportError,
    Picture,
    Rules,
)
from ipixmatch_jax.data.prepare.label_tools.export_files import ExportFiles
from ipixmatch_jax.data.prepare.label_tools.photographs import (
    Photograph,
    Photographs,
)
from ipixmatch_jax.data.prepare.label_tools.place import (
    Place,
    place_pictures,
)
from ipixmatch_jax.data.prepare.label_tools.registry import LABEL_TOOLS
from ipixmatch_jax.utils.atomic import make_folder, require_folder, write_json
from ipixmatch_jax.utils.counts import count_of
from ipixmatch_jax.utils.threads import READERS


def convert_labels(
    tool: str,
    source: pathlib.Path,
    out: pathlib.Path,
    images: pathlib.Path | None = None,
    rules: Rules | None = None,
) -> list[str]:
    """Writes the folder of docs/own_data.md from an export.

    The folder appears whole at the end, or not at all. Images are copied as
    they are, masks are PNGs of class ids, and images that the export does not
    list are unlabelled.

    Args:
      tool: a key of LABEL_TOOLS.
      source: the folder or the zip that the tool exported.
      out: the folder to make; it may be there if it is empty.
      images: where images lie that are not in the export.
      rules: what the export leaves open.

    Returns:
      lines for the user.

    Raises:
      FileNotFoundError: there is no source, or no folder of images.
      ValueError: `out` is not empty, or a file of the export cannot be used;
        one sentence that names it.
      RunError: there are polygons, and pycocotools is not installed.
    """
    rules = rules or Rules()
    require_folder(out, "--out")
    if out.is_dir() and any(out.iterdir()):
        raise ValueError(
            f"{out} holds files already: name a new folder with --out, or "
            "empty this one to prepare anew."
        )
    files = ExportFiles(source)
    places = [files, *([] if images is None else [ExportFiles(images)])]
    photographs = Photographs(places)
    export = _read(tool, files, photographs, rules)
    if not any(picture.draw for picture in export.pictures):
        raise ValueError(
            f"{source} has no labels: label an image in the tool and export "
            "again."
        )
    classes = make_class_ids(export, rules, str(source))
    rest = [_unlabelled(one) for one in photographs.left_over()]
    placed, notes = place_pictures([*export.pictures, *rest])
    with make_folder(out) as folder:
        _write(folder, placed, classes)
    notes = [*classes.notes, *notes, *photographs.notes()]
    return [*_summary(placed, classes), *notes]


def _read(
    tool: str, files: ExportFiles, photographs: Photographs, rules: Rules
) -> Export:
    """Reads the export, or says which tool's it looks like."""
    try:
        return LABEL_TOOLS[tool].read(files, photographs, rules)
    except NotAnExportError as error:
        folder = files.source.is_dir()
        found = find_export(files.source) if folder else None
        if found is None or found.tool == tool:
            raise
        raise ValueError(
            f"{found.file} looks like {found.what}: "
            f"`{call_of('prepare')} {found.tool}` reads it, and {tool} does "
            "not."
        ) from error


def _unlabelled(photograph: Photograph) -> Picture:
    where = photograph.where
    return Picture(photograph.name, "", photograph, where, None, None)


def _write(
    folder: pathlib.Path, placed: Sequence[Place], classes: ClassIds
) -> None:
    masks = [place.mask for place in placed if place.picture.draw]
    for name in (*masks, *(place.image for place in placed)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    palette = [c for _, colour in classes.listed for c in colour]

    def write(place: Place) -> None:
        content = place.picture.photograph.read()
        (folder / place.image).write_bytes(content)
        if place.picture.draw is not None:
            mask = Image.fromarray(paint_mask(place.picture, content, classes))
            mask.putpalette(palette)
            mask.save(folder / place.mask, "PNG")

    pool = ThreadPoolExecutor(READERS)
    try:
        done = pool.map(write, placed)
        for _ in tqdm(done, total=len(placed), unit="image", desc="writing"):
            pass
    finally:  # Ctrl-C waits for the images at hand alone.
        pool.shutdown(cancel_futures=True)
    write_json(folder / "classes.json", dict(classes.listed))


def paint_mask(
    picture: Picture, content: bytes, classes: ClassIds
) -> np.ndarray:
    """The class ids of a labelled image, uint8 [height, width].

    Args:
      picture: with `draw`.
      content: the bytes of the image.
      classes: of the export.

    Raises:
      ValueError: a shape cannot be drawn, or the image is not of the size
        that the export gives.
    """
    assert picture.draw is not None
    where = picture.photograph.where
    height, width = decode.read_size(where, content)
    if picture.size not in (None, (height, width)):
        raise ValueError(_other_size(picture, height, width))
    ids = np.full((height, width), classes.uncovered, np.uint8)
    for label, pixels in picture.draw(height, width):
        ids[pixels] = classes.ids[label]
    return ids


def _other_size(picture: Picture, height: int, width: int) -> str:
    assert picture.size is not None
    drawn, where = picture.size, picture.photograph.where
    sentence = (
        f"{picture.listed_in} has labels of {drawn[1]}x{drawn[0]} pixels, and "
        f"{where} is {width}x{height}"
    )
    if drawn == (width, height):
        return (
            f"{sentence} when it is turned upright as its EXIF says: export "
            "again with images that are turned upright."
        )
    return f"{sentence}: put the image there that was labelled."


def _summary(placed: Sequence[Place], classes: ClassIds) -> Iterator[str]:
    """The images of each part, and the classes."""
    counts = Counter((p.part, p.picture.draw is not None) for p in placed)
    for part in ("train", "val", "test"):
        labelled, rest = counts[part, True], counts[part, False]
        if labelled or rest:
            yield (
                f"{part}: {count_of(labelled, 'labelled image')}, {rest} "
                "without labels"
            )
    names = ", ".join(f"{k} {n}" for k, (n, _) in enumerate(classes.listed))
    yield f"classes: {names}"
