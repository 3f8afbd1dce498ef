"""Reads a video frame by frame.

PyAV (FFmpeg) decodes; it is in the extra `video`. Frames come upright, as the
rotation in the file says, and are never all in memory.
"""

import types
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ipixmatch_jax.data.files import open_file
from ipixmatch_jax.data.source import BadFileError
from ipixmatch_jax.utils.errors import RunError

ENDINGS = (
    *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg"),
    *(".mts", ".m2ts", ".wmv", ".flv", ".3gp", ".ogv"),
)
_MICROSECOND = Fraction(1, 1_000_000)  # FFmpeg's unit for whole files


class Clip(NamedTuple):
    """What a file says of its video.

    Attributes:
      size: (height, width) of the upright frames in pixels.
      turns: quarter turns, counter-clockwise, that make a frame upright.
      rate: frames per second on average.
      time_base: the unit of times, in seconds.
      start: time of the file's beginning, in that unit.
      aspect: width / height of a pixel of an upright frame.
      frames: how many the file says that it holds; 0: it does not say.
      audio: the codec of its first audio stream; "": it has none.
    """

    size: tuple[int, int]
    turns: int
    rate: Fraction
    time_base: Fraction
    start: int
    aspect: Fraction
    frames: int
    audio: str


class Frame(NamedTuple):
    """One frame, upright.

    Attributes:
      image: uint8 [H, W, C].
      time: when it is shown, in units of the clip's time base from its start.
      duration: for how long, in the same unit; 0: not known.
    """

    image: np.ndarray
    time: int
    duration: int


def is_installed() -> bool:
    """Whether PyAV can be imported."""
    try:
        import av  # noqa: F401
    except ImportError:
        return False
    return True


def import_av(path: str) -> types.ModuleType:
    """The package av.

    Args:
      path: of the file that needs it, for the message.

    Raises:
      RunError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise RunError(
            f"{path} is a video, which needs PyAV: "
            "`pip install 'ipixmatch_jax[video]'` brings it."
        ) from error
    return av


class VideoReader:
    """An open video.

    Attributes:
      path: of the file.
      clip: see Clip.
    """

    def __init__(self, path: str, channels: int = 3):
        """Opens the file and decodes its first frame.

        Args:
          path: of the file.
          channels: C of the frames: 3, or 1 for their luma.

        Raises:
          BadFileError: it is not a video that can be decoded, or frames have
            no such number of channels.
          RunError: PyAV is not installed.
        """
        self._av = import_av(path)
        if channels not in (1, 3):
            raise BadFileError(
                f"{path} is a video, whose frames are RGB, and this network "
                f"takes images of {channels} channels."
            )
        self.path = path
        self._channels = channels
        with open_file.open_binary(path, windows=True):
            pass  # So that pipes and empty files are named as such.
        self.clip = self._read_clip()
        self._file = self._open()

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    @property
    def audio(self) -> Any:
        """The first audio stream of the open file, or None."""
        return next(iter(self._file.streams.audio), None)

    def frames(
        self, keep_audio: Callable[[Any], None] | None = None
    ) -> Iterator[Frame]:
        """Decodes the frames, in the order of their times.

        Args:
          keep_audio: gets the packets of the audio as they come, their times
            counted from the clip's start; None: they are skipped.

        Raises:
          BadFileError: the file is damaged, cut off, or changes its size.
        """
        video = self._file.streams.video[0]
        streams = [video] if keep_audio is None else [video, self.audio]
        start = self.clip.start * self.clip.time_base
        packets, last = 0, None
        try:
            for packet in self._file.demux(streams):
                if packet.stream is not video:
                    if keep_audio is not None and packet.dts is not None:
                        keep_audio(_earlier(packet, start))
                    continue
                packets += packet.size > 0
                for frame in packet.decode():
                    last = self._convert(frame, last)
                    yield last
        except self._av.FFmpegError as error:
            raise self._undecodable(error) from error
        if packets < self.clip.frames:
            raise BadFileError(
                f"{self.path} is cut off: it says that it has "
                f"{self.clip.frames} frames, and holds {packets}."
            )

    def _open(self) -> Any:
        try:
            return self._av.open(self.path)
        except self._av.FFmpegError as error:
            raise self._undecodable(error) from error

    def _undecodable(self, error: Any) -> BadFileError:
        words = error.strerror or open_file.words(error)
        return BadFileError(f"{self.path} cannot be decoded: {words}.")

    def _read_clip(self) -> Clip:
        with self._open() as file:
            if not file.streams.video:
                raise BadFileError(f"{self.path} holds no video.")
            stream = file.streams.video[0]
            try:
                first = next(iter(file.decode(stream)), None)
            except self._av.FFmpegError as error:
                raise self._undecodable(error) from error
            if first is None:
                raise BadFileError(f"{self.path} holds no frame of video.")
            audio = next(iter(file.streams.audio), None)
            return _describe(file, stream, first, audio)

    def _convert(self, frame: Any, last: Frame | None) -> Frame:
        """A decoded frame, upright, with a time after the one before."""
        image = np.rot90(frame.to_ndarray(format="rgb24"), self.clip.turns)
        if image.shape[:2] != self.clip.size:
            raise BadFileError(
                f"{self.path} changes its size in the middle: cut it into "
                "videos of one size."
            )
        if self._channels == 1:
            image = np.asarray(Image.fromarray(image).convert("L"))[..., None]
        step = max(round(1 / (self.clip.rate * self.clip.time_base)), 1)
        if frame.pts is not None:
            time = frame.pts - self.clip.start
        else:
            time = 0 if last is None else last.time + step
        if last is not None:
            time = max(time, last.time + 1)
        return Frame(np.ascontiguousarray(image), time, frame.duration or 0)


def _describe(file: Any, stream: Any, first: Any, audio: Any) -> Clip:
    turns = round(first.rotation / 90) % 4
    size = first.height, first.width
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if turns % 2:
        size, aspect = size[::-1], 1 / aspect
    start = (file.start_time or 0) * _MICROSECOND
    return Clip(
        size,
        turns,
        stream.average_rate or stream.guessed_rate or Fraction(25),
        stream.time_base,
        round(start / stream.time_base),
        aspect,
        stream.frames,
        "" if audio is None else audio.codec_context.name,
    )


def _earlier(packet: Any, start: Fraction) -> Any:
    """The packet, its times counted from `start` in seconds."""
    by = round(start / packet.time_base)
    packet.dts -= by
    packet.pts = packet.dts if packet.pts is None else packet.pts - by
    return packet
