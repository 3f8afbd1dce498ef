"""Class ids, shares and images as RGB pictures, and grids of these."""

import numpy as np

_GAP = 4  # pixels between pictures
_IGNORED = (224, 224, 224)


def colour_mask(mask: np.ndarray, palette) -> np.ndarray:
    """Class ids [H, W] (255 = ignore) as RGB uint8 [H, W, 3]."""
    table = np.full((256, 3), _IGNORED, np.uint8)
    table[: len(palette)] = palette
    return table[mask]


def to_rgb(image: np.ndarray) -> np.ndarray:
    """An image uint8 [H, W, C] as RGB.

    That is its first three channels, or its first as grey where there are
    fewer.
    """
    channels = image.shape[-1]
    return image[..., :3] if channels >= 3 else image[..., [0, 0, 0]]


def overlay(image: np.ndarray, ids: np.ndarray, palette) -> np.ndarray:
    """The colours of class ids [H, W] half over an image, RGB [H, W, 3]."""
    mixed = to_rgb(image).astype(np.uint16) + colour_mask(ids, palette)
    return (mixed // 2).astype(np.uint8)


def colour_uncertainty(uncertainty: np.ndarray) -> np.ndarray:
    """A map of uncertainty in [0, 1] as RGB uint8 [H, W, 3].

    Black is certain, white uncertain, with red and yellow between them. All
    heat maps of the package have this meaning.
    """
    ramps = [np.clip(3 * uncertainty - i, 0, 1) for i in range(3)]
    return np.round(255 * np.stack(ramps, -1)).astype(np.uint8)


def column_starts(row: list[np.ndarray]) -> list[int]:
    """The first pixel of each column of `arrange_grid` with such a row."""
    widths = [picture.shape[1] + _GAP for picture in row]
    return [_GAP + sum(widths[:i]) for i in range(len(row))]


def arrange_grid(rows: list[list[np.ndarray]]) -> np.ndarray:
    """Pictures uint8 [H, W, 3], row by row, on white.

    Pictures of one row share their size; rows may differ.
    """
    width = max(sum(p.shape[1] + _GAP for p in row) for row in rows) + _GAP
    height = sum(row[0].shape[0] + _GAP for row in rows) + _GAP
    canvas = np.full((height, width, 3), 255, np.uint8)
    top = _GAP
    for row in rows:
        left = _GAP
        for picture in row:
            h, w = picture.shape[:2]
            canvas[top : top + h, left : left + w] = picture
            left += w + _GAP
        top += row[0].shape[0] + _GAP
    return canvas
