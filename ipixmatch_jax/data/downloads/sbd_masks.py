"""SegmentationClassAug: VOC's masks of train, and SBD's where VOC has none.

SBD (Hariharan et al. 2011) gives a mask per image as a MATLAB file, whose
`GTcls.Segmentation` holds VOC's class ids, uint8 [H, W], without a border that
is left out. Its own train and val lists cut across VOC's. The field takes
every image that SBD or VOC's train list has a mask of, less VOC's val: 10,582.
"""

import pathlib
import zlib

import numpy as np
from PIL import Image
from tqdm import tqdm

from ipixmatch_jax.data.files.split_list import read_lines
from ipixmatch_jax.data.source import BadFileError
from ipixmatch_jax.utils.atomic import replace_file, write_file

# What scipy raises for damaged files, besides its MatReadError, and the last
# three for files of another content or of MATLAB 7.3, which it does not read.
_UNREADABLE = (
    *(ValueError, TypeError, OSError, zlib.error),
    *(KeyError, AttributeError, NotImplementedError),
)


def make_train_aug(
    voc: pathlib.Path,
    sbd: pathlib.Path,
    palette: tuple[tuple[int, int, int], ...],
    count: int,
) -> int:
    """Writes `SegmentationClassAug/<id>.png` and the list `trainaug.txt`.

    Masks that are there are kept. Those of VOC are copied as they are; those
    of SBD become PNGs of ids with VOC's colours as their palette.

    Args:
      voc: the folder that holds SegmentationClass and ImageSets.
      sbd: the folder `dataset/cls` of SBD's archive.
      palette: the colour of each class id.
      count: of the masks that there must be.

    Returns:
      how many masks were written.

    Raises:
      FileNotFoundError: VOC's val list is absent.
      ValueError: there are not `count` masks, of which nothing is written
        then; or a file of SBD cannot be used.
    """
    own, lists = voc / "SegmentationClass", voc / "ImageSets/Segmentation"
    val = {line.split()[0] for line in read_lines(lists / "val.txt")}
    ours = {path.stem for path in own.glob("*.png")} - val
    names = sorted(ours | {path.stem for path in sbd.glob("*.mat")} - val)
    if len(names) != count:
        raise ValueError(
            f"{own} and {sbd} have masks of {len(names)} images that are not "
            f"in val.txt, and {count} are known: unpack both archives again."
        )
    folder = voc / "SegmentationClassAug"
    folder.mkdir(exist_ok=True)
    there = {path.stem for path in folder.glob("*.png")}
    missing = [name for name in names if name not in there]
    for name in tqdm(missing, unit="mask", desc=folder.name):
        if name in ours:
            content = (own / f"{name}.png").read_bytes()
            write_file(folder / f"{name}.png", content)
            continue
        mask = Image.fromarray(read_sbd_mask(sbd / f"{name}.mat"))
        mask.putpalette([c for colour in palette for c in colour])
        with replace_file(folder / f"{name}.png") as partial:
            mask.save(partial, "PNG")
    lines = "".join(f"{name}\n" for name in names)
    write_file(lists / "trainaug.txt", lines.encode())
    return len(missing)


def read_sbd_mask(path: pathlib.Path) -> np.ndarray:
    """The class ids of one file of SBD, uint8 [H, W].

    Raises:
      BadFileError: it is not such a file.
    """
    # Every command imports this file, and scipy.io takes a tenth of a second.
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        contents = loadmat(path, squeeze_me=True, struct_as_record=False)
        ids = np.asarray(contents["GTcls"].Segmentation)
    except (MatReadError, *_UNREADABLE) as error:
        raise BadFileError(
            f"{path} is not a mask of SBD, GTcls.Segmentation ({error}): "
            "unpack benchmark.tgz again."
        ) from error
    if ids.ndim != 2 or ids.dtype != np.uint8:
        raise BadFileError(
            f"GTcls.Segmentation in {path} is {ids.dtype} {list(ids.shape)}, "
            "not uint8 of height and width."
        )
    return ids
