"""Large scenes of val and test as tiles, so that none is decoded whole.

Each tile counts as an image of its own, and the tiles of a scene cover it once,
so a confusion matrix over them counts each pixel once. A network sees no
further than the tile.
"""

from collections.abc import Sequence

from ipixmatch_jax.data.files.file_source import FileSource
from ipixmatch_jax.data.files.tiff_windows import LARGE_SCENE
from ipixmatch_jax.data.files.windowed_image import Box
from ipixmatch_jax.data.source import BadFileError, Picture, Sample, Source
from ipixmatch_jax.utils.counts import count_of

TILE = 1024  # The most pixels along a side of a tile (ours).


class SceneTiles(Source):
    """The images of a source, of which some are cut into tiles."""

    def __init__(
        self, source: FileSource, places: Sequence[tuple[int, Box | None]]
    ):
        """Takes what `cut_scenes` found.

        Args:
          source: of whole images.
          places: (position in the source, part of that image) of each image of
            this source; None: the whole image.
        """
        self._source = source
        self._places = tuple(places)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, i: int) -> Sample:
        index, box = self._places[i]
        image, mask = self._source[index]
        if box is None:
            return Sample(image, mask)
        return Sample(image.crop(box), None if mask is None else mask.crop(box))

    def mask(self, i: int) -> Picture | None:
        """See `Source.mask`."""
        index, box = self._places[i]
        mask = self._source.mask(index)
        return mask if mask is None or box is None else mask.crop(box)

    def name(self, i: int) -> str:
        """See `Source.name`; a tile's ends with its rows and columns."""
        index, box = self._places[i]
        name = self._source.name(index)
        if box is None:
            return name
        left, top, right, bottom = box
        return f"{name}[{top}:{bottom},{left}:{right}]"

    def path(self, i: int) -> str | None:
        """See `Source.path`; the first tile of a scene stands for the file."""
        index, box = self._places[i]
        first = box is None or box[:2] == (0, 0)
        return self._source.path(index) if first else None

    def size(self, i: int) -> tuple[int, int]:
        """See `Source.size`."""
        index, box = self._places[i]
        if box is None:
            return self._source.size(index)
        left, top, right, bottom = box
        return bottom - top, right - left


def cut_scenes(source: Source, part: str) -> tuple[Source, tuple[str, ...]]:
    """Cuts the large scenes of a source whose files are read in windows.

    Args:
      source: of any kind; only files are cut.
      part: what the source is called, for the sentence.

    Returns:
      the source, or one of the tiles if there is a large scene; and a
      sentence that says so, if there is.
    """
    if not isinstance(source, FileSource):
        return source, ()
    places: list[tuple[int, Box | None]] = []
    scenes = 0
    for i in range(len(source)):
        boxes = _tiles_of(source, i)
        scenes += len(boxes) > 1
        places += [(i, box) for box in boxes]
    if not scenes:
        return source, ()
    tiles = len(places) - (len(source) - scenes)
    be = "is" if scenes == 1 else "are"
    note = (
        f"{count_of(scenes, 'scene')} of {part} with more than "
        f"{LARGE_SCENE:,} pixels {be} scored in {tiles} tiles of at most "
        f"{TILE}x{TILE} pixels, each of which counts as an image."
    )
    return SceneTiles(source, places), (note,)


def _tiles_of(source: FileSource, i: int) -> list[Box] | list[None]:
    """The tiles of a large scene, row by row; [None] of any other image."""
    try:
        if not source.is_windowed(i):  # Told of most files by their names.
            return [None]
        height, width = source.size(i)
    except BadFileError:  # The check of the data names it.
        return [None]
    if height * width <= LARGE_SCENE:
        return [None]
    rows, columns = _edges(height), _edges(width)
    return [
        (columns[k], rows[j], columns[k + 1], rows[j + 1])
        for j in range(len(rows) - 1)
        for k in range(len(columns) - 1)
    ]


def _edges(length: int) -> list[int]:
    """Ends of the tiles along a side: as few as can be, as even as can be."""
    count = -(-length // TILE)
    return [i * length // count for i in range(count + 1)]
