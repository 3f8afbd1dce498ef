"""The names by which a label tool knows the images of a data set."""

from collections.abc import Sequence

from ipixmatch_jax.data.files.folder_layout import NAMES, PARTS

_FOLDERS = {*NAMES["images"], "jpegimages", *PARTS["train"]}


def names_in_tool(names: Sequence[str]) -> list[str]:
    """Names without the first folders where these only hold all images.

    A data set calls an image `images/a/b.jpg`, and a label tool that was given
    the photographs calls it `a/b.jpg`. CVAT refuses labels of an image that it
    knows by a shorter path, and LabelMe looks for `b.json` in one folder.

    Args:
      names: of images, relative to the folder of the data set, with slashes.
    """
    parts = [name.split("/") for name in names]
    while parts and all(len(p) > 1 and p[0] == parts[0][0] for p in parts):
        if parts[0][0].lower() not in _FOLDERS:
            break
        parts = [p[1:] for p in parts]
    return ["/".join(p) for p in parts]
