"""Writes a run's scalars and pictures for TensorBoard.

The training loop's own thread writes them. tensorboardX's writer starts
another thread; a full disk ends that thread, and the eleventh value after
that waits for ever.
"""

import pathlib
import socket
import struct
import time
from collections.abc import Mapping

import numpy as np
from tensorboardX import summary
from tensorboardX.proto import event_pb2
from tensorboardX.record_writer import masked_crc32c

from ipixmatch_jax.loggers.base import Logged, LoggerKind
from ipixmatch_jax.utils.append_file import AppendFile


class Curves:
    """A new event file in a folder; TensorBoard reads all files there."""

    def __init__(self, folder: pathlib.Path):
        """Begins the file, and makes its folder."""
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}"
        self._file = AppendFile(folder / name)
        self._add([event_pb2.Event(file_version="brain.Event:2")])

    def write_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """See base.Logger."""
        self._add(
            event_pb2.Event(step=step, summary=summary.scalar(name, value))
            for name, value in values.items()
        )

    def write_picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """See base.Logger."""
        drawn = summary.image(name, picture, dataformats="HWC")
        self._add([event_pb2.Event(step=step, summary=drawn)])

    def close(self, *, failed: bool) -> None:
        """See base.Logger; every point is in the file already."""

    def _add(self, events) -> None:
        records = []
        for event in events:
            event.wall_time = time.time()
            records.append(_record(event.SerializeToString()))
        self._file.add(b"".join(records))


def _record(data: bytes) -> bytes:
    """A TFRecord: the length, its checksum, the data, their checksum."""
    length = struct.pack("<Q", len(data))
    sums = [struct.pack("<I", masked_crc32c(part)) for part in (length, data)]
    return length + sums[0] + data + sums[1]


def _open(run: Logged) -> Curves:
    return Curves(run.workdir / "tensorboard")


LOGGER = LoggerKind(_open)
