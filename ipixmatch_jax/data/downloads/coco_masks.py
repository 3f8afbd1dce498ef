"""Semantic masks from COCO's lists of instances.

UniMatch V2 and PrevMatch give finished masks of the ids 0 to 80 and no script:
how they drew instances that overlap, and crowd regions, is not known. Here

- 0 is what no instance covers; it is a class and is scored, as in the field;
- the smaller of two instances lies on top, since the outline of a table also
  runs around what stands on it (ours);
- crowd regions (`iscrowd`) get their class, below all single instances: they
  hold objects of it, and 0 would call them background (ours);
- an image without instances gets a mask of 0, as it is in the field's lists.
"""

import pathlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from ipixmatch_jax.data.label_formats.coco_region import read_region
from ipixmatch_jax.data.source import BadFileError
from ipixmatch_jax.utils.atomic import replace_file
from ipixmatch_jax.utils.json_files import read_json_object
from ipixmatch_jax.utils.threads import READERS

_FIELDS = {"image_id", "segmentation", "area", "iscrowd"}


def draw_masks(
    instances: pathlib.Path,
    folder: pathlib.Path,
    class_ids: Mapping[int, int],
    palette: Sequence[tuple[int, int, int]],
) -> int:
    """Draws `<stem>.png` for every image of a list; keeps what is there.

    Args:
      instances: such as annotations/instances_val2017.json.
      folder: gets the masks: PNGs of class ids.
      class_ids: category id -> class id.
      palette: the colour of each class id.

    Returns:
      how many masks were drawn.

    Raises:
      FileNotFoundError: the list is absent.
      ValueError: the list is not COCO's.
      ImportError: pycocotools is not installed.
    """
    images, of_image = _read_instances(instances, class_ids)
    folder.mkdir(exist_ok=True)
    there = {path.name for path in folder.glob("*.png")}
    names = {pathlib.Path(i["file_name"]).stem + ".png": i for i in images}
    missing = [name for name in names if name not in there]
    colours = [channel for colour in palette for channel in colour]

    def draw(name: str) -> None:
        image = names[name]
        ids = draw_instances(
            image["height"],
            image["width"],
            of_image.get(image["id"], ()),
            class_ids,
        )
        mask = Image.fromarray(ids)
        mask.putpalette(colours)
        with replace_file(folder / name) as partial:
            mask.save(partial, "PNG")

    pool = ThreadPoolExecutor(READERS)
    try:
        drawn = pool.map(draw, missing)
        for _ in tqdm(
            drawn, total=len(missing), unit="mask", desc=instances.stem
        ):
            pass
    finally:  # Ctrl-C waits for the masks at hand alone.
        pool.shutdown(cancel_futures=True)
    return len(missing)


def draw_instances(
    height: int,
    width: int,
    instances: Sequence[Mapping[str, Any]],
    class_ids: Mapping[int, int],
) -> np.ndarray:
    """Class ids of one image, uint8 [height, width]; see the head of the file.

    Args:
      height: of the image, in pixels.
      width: of the image, in pixels.
      instances: with `segmentation`, `category_id`, `area` and `iscrowd`.
      class_ids: category id -> class id.
    """
    ids = np.zeros((height, width), np.uint8)
    for instance in sorted(
        instances, key=lambda one: (not one["iscrowd"], -one["area"])
    ):
        region = read_region(instance["segmentation"], height, width)
        ids[region] = class_ids[instance["category_id"]]
    return ids


def _read_instances(
    path: pathlib.Path, class_ids: Mapping[int, int]
) -> tuple[list[dict], dict[int, list[dict]]]:
    """The images of a list, and the instances of each by the image's id."""
    try:
        contents = read_json_object(path, "unpack it again")
        images, of_image = contents["images"], defaultdict(list)
        for instance in contents["annotations"]:
            class_ids[instance["category_id"]]  # That it is a known one.
            if lacking := _FIELDS - instance.keys():
                raise KeyError(min(lacking))
            of_image[instance["image_id"]].append(instance)
    except (ValueError, KeyError, TypeError) as error:
        raise BadFileError(
            f"{path} is not COCO's list of instances ({error!r}): unpack "
            "annotations_trainval2017.zip again."
        ) from error
    return images, of_image
