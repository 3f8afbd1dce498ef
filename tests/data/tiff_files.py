"""The least TIFF that says what is asked of it, byte by byte.

Written without a TIFF library, so that a reader is held to the format.
"""

import struct

import numpy as np

SHORT, LONG = (3, "H"), (4, "I")


def tiff(
    values,
    photometric=1,
    planar=1,
    extra=(),
    sample_format=1,
    orientation=None,
    pages=1,
):
    """The bytes of an uncompressed file of [H, W] or [H, W, bands]."""
    values = np.asarray(values)
    values = values[..., None] if values.ndim == 2 else values
    height, width, bands = values.shape
    planes = [values] if planar == 1 else list(np.moveaxis(values, -1, 0))
    planes = [np.ascontiguousarray(plane).tobytes() for plane in planes]
    bits = values.dtype.itemsize * 8
    tags = {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [bits] * bands),
        259: (SHORT, [1]),
        262: (SHORT, [photometric]),
        273: (LONG, [0] * len(planes)),
        277: (SHORT, [bands]),
        278: (LONG, [height]),
        279: (LONG, [len(plane) for plane in planes]),
        284: (SHORT, [planar]),
        339: (SHORT, [sample_format] * bands),
    }
    if extra:
        tags[338] = (SHORT, list(extra))
    if orientation:
        tags[274] = (SHORT, [orientation])
    content = bytearray(b"II*\0\0\0\0\0")
    offsets = []
    for plane in planes:
        offsets.append(len(content))
        content += plane
    tags[273] = (LONG, offsets)
    link = 4  # where the offset of the next directory stands
    for _ in range(pages):
        link = _add_directory(content, tags, link)
    return bytes(content)


def _add_directory(content, tags, link):
    entries = b""
    for tag, ((kind, letter), values) in sorted(tags.items()):
        raw = struct.pack(f"<{len(values)}{letter}", *values)
        if len(raw) > 4:
            content += b"\0" * (len(content) % 2)
            raw, place = struct.pack("<I", len(content)), raw
            content += place
        entries += struct.pack("<HHI", tag, kind, len(values))
        entries += raw.ljust(4, b"\0")
    content += b"\0" * (len(content) % 2)
    content[link : link + 4] = struct.pack("<I", len(content))
    content += struct.pack("<H", len(tags)) + entries
    content += b"\0\0\0\0"
    return len(content) - 4
