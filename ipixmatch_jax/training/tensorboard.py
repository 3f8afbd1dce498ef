"""TensorBoard's file of a run: scalars and pictures.

Written in the loop's own thread. tensorboardX's writer has one of its own; a
full disk ends that thread, and the eleventh value after it waits forever.
"""

import pathlib
import socket
import struct
import time

import numpy as np
from tensorboardX import summary
from tensorboardX.proto import event_pb2
from tensorboardX.record_writer import masked_crc32c

from ipixmatch_jax.training.append_file import Appended


class Curves:
    """A new event file in a folder, which TensorBoard reads with the others."""

    def __init__(self, folder: pathlib.Path):
        """Begins the file; the folder is made."""
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}"
        self._file = Appended(folder / name)
        self._add([event_pb2.Event(file_version="brain.Event:2")])

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """One point of each named curve."""
        self._add(
            event_pb2.Event(step=step, summary=summary.scalar(name, value))
            for name, value in values.items()
        )

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """A uint8 [H, W, 3] picture."""
        drawn = summary.image(name, picture, dataformats="HWC")
        self._add([event_pb2.Event(step=step, summary=drawn)])

    def _add(self, events) -> None:
        records = []
        for event in events:
            event.wall_time = time.time()
            records.append(_record(event.SerializeToString()))
        self._file.add(b"".join(records))


def _record(data: bytes) -> bytes:
    """A TFRecord: length, its checksum, data, their checksum."""
    length = struct.pack("<Q", len(data))
    sums = [struct.pack("<I", masked_crc32c(part)) for part in (length, data)]
    return length + sums[0] + data + sums[1]
