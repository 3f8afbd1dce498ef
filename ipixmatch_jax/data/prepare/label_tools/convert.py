"""Turns an export of a label tool into a folder to train on."""

import pathlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from PIL import Image
from tqdm import tqdm

from ipixmatch_jax.cli.commands import call_of
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
from ipixmatch_jax.data.prepare.label_tools.masks import (
    UnseenShapes,
    notes_on,
    paint_mask,
)
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
        unseen = _write(folder, placed, classes)
    notes = [*classes.notes, *export.notes, *notes, *notes_on(unseen)]
    return [*_summary(placed, classes), *notes, *photographs.notes()]


def _read(
    tool: str, files: ExportFiles, photographs: Photographs, rules: Rules
) -> Export:
    """Reads the export, or says which tool's it looks like."""
    try:
        return LABEL_TOOLS[tool].read(files, photographs, rules)
    except NotAnExportError as error:
        found = find_export(files.source)
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
) -> list[UnseenShapes]:
    """Writes all files."""
    masks = [place.mask for place in placed if place.picture.draw]
    for name in (*masks, *(place.image for place in placed)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    palette = [c for _, colour in classes.listed for c in colour]

    def write(place: Place) -> UnseenShapes | None:
        content = place.picture.photograph.read()
        (folder / place.image).write_bytes(content)
        if place.picture.draw is None:
            return None
        ids, unseen = paint_mask(place.picture, content, classes)
        mask = Image.fromarray(ids)
        mask.putpalette(palette)
        mask.save(folder / place.mask, "PNG")
        return unseen

    pool = ThreadPoolExecutor(READERS)
    try:
        done = pool.map(write, placed)
        bar = tqdm(done, total=len(placed), unit="image", desc="writing")
        found = [unseen for unseen in bar if unseen is not None]
    finally:  # Ctrl-C waits for the images at hand alone.
        pool.shutdown(cancel_futures=True)
    write_json(folder / "classes.json", dict(classes.listed))
    return found


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
