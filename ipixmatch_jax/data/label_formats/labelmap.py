"""CVAT's labelmap.txt: the classes of a "Segmentation mask" and their colours.

    # label:color_rgb:parts:actions
    background:0,0,0::
    crack:250,50,83::

Source: parse_label_map and write_label_map of the package datumaro, which CVAT
reads and writes this file with.
"""

import pathlib
from collections.abc import Sequence

from ipixmatch_jax.data.files.class_list import Colour
from ipixmatch_jax.utils.quoting import quote

FILE = "labelmap.txt"
_HEAD = "# label:color_rgb:parts:actions"


def read_labelmap(path: pathlib.Path) -> list[tuple[str, Colour]]:
    """The (name, colour) of each line, in the order of the file.

    Raises:
      OSError: the file is absent or cannot be read.
      ValueError: it is not such a file; one sentence that names it.
    """
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8.") from error
    return parse_labelmap(text, str(path))


def parse_labelmap(text: str, where: str) -> list[tuple[str, Colour]]:
    """`read_labelmap` of a text; `where` names the file."""
    classes = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, rest = line.strip().partition(":")
        colour = _colour(rest.partition(":")[0])
        if not name or colour is None:
            raise ValueError(
                f"Line {number} of {where} is {quote(line.strip())}; a class "
                'reads "name:red,green,blue::", with numbers from 0 to 255.'
            )
        classes.append((name, colour))
    if not classes:
        raise ValueError(f"{where} lists no classes.")
    return classes


def write_labelmap(classes: Sequence[tuple[str, Colour]]) -> str:
    """The content of the file for (name, colour) in this order.

    Raises:
      ValueError: a name cannot stand in the file.
    """
    lines = [_HEAD]
    for name, colour in classes:
        if ":" in name or name.startswith("#") or name.split() == []:
            raise ValueError(
                f"The class {name!r} cannot stand in {FILE}, where a colon "
                "ends the name and # begins a comment: give it another name."
            )
        lines.append(f"{name}:{','.join(map(str, colour))}::")
    return "\n".join(lines) + "\n"


def _colour(text: str) -> Colour | None:
    numbers = [part.strip() for part in text.split(",")]
    if len(numbers) != 3 or not all(n.isdecimal() for n in numbers):
        return None
    red, green, blue = map(int, numbers)
    return (red, green, blue) if max(red, green, blue) <= 255 else None
