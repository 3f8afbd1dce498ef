"""Writes a video with the times of another one.

PyAV (FFmpeg) encodes; it is in the extra `video`. The file is MP4: H.264 where
PyAV's build has x264, else MPEG-4 part 2. Each frame keeps its time, so a
variable frame rate stays as it was. The shape of the pixels is kept, too, and
the audio is copied as it is where MP4 can hold its codec.
"""

import contextlib
import pathlib
from fractions import Fraction
from typing import Any

import numpy as np

from ipixmatch_jax.data.files import open_file
from ipixmatch_jax.predict.video_reader import Clip, Frame

# Codecs with their options; the first that PyAV's build has is taken. Both
# lose little that an eye sees.
_CODECS = (
    ("libx264", {"crf": "18"}),
    ("mpeg4", {"flags": "+qscale", "global_quality": "236"}),
)
_BT709 = 1  # in FFmpeg's lists of colour spaces, primaries and transfers
_LIMITED = 1  # luma from 16 to 235
_FINEST = 65_535  # MPEG-4 part 2 counts no more ticks in a second


class VideoWriter:
    """A new MP4 with the size, the times and the pixels' shape of a clip."""

    def __init__(self, path: str, clip: Clip, audio: Any = None):
        """Opens the file.

        Args:
          path: of the file to make.
          clip: that is shown in other colours.
          audio: a stream of the clip's file to copy; None: no audio.

        Raises:
          OSError: the file cannot be written.
        """
        import av

        self._av = av
        self._path = path
        self._next = 0  # the first time that a frame may have
        try:
            self._file: Any = av.open(
                path, "w", format="mp4", options={"movflags": "faststart"}
            )
            self._video = self._add_video(clip)
        except av.FFmpegError as error:
            raise self._refused(error) from error
        self._audio = None
        if audio is not None and audio.codec_context.name in (
            self._file.supported_codecs
        ):
            self._audio = self._file.add_stream_from_template(audio)

    @property
    def has_audio(self) -> bool:
        """Whether MP4 can hold the audio; else it is left out."""
        return self._audio is not None

    def write(self, picture: np.ndarray, like: Frame) -> None:
        """Adds a frame.

        Args:
          picture: RGB uint8 [H, W, 3].
          like: the frame in whose place it is shown.
        """
        frame = self._av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame = frame.reformat(
            format=self._video.pix_fmt,
            dst_colorspace="ITU709",
            dst_color_range="MPEG",
        )
        frame.time_base = self._time_base
        unit = self._read_base / self._time_base
        frame.pts = max(round(like.time * unit), self._next)
        frame.duration = round(like.duration * unit)
        self._next = frame.pts + 1
        self._encode(frame)

    def copy_audio(self, packet: Any) -> None:
        """Adds a packet of the audio as it is."""
        packet.stream = self._audio
        self._mux(packet)

    def finish(self) -> None:
        """Writes what the encoder still holds, and closes the file."""
        self._encode(None)
        try:
            self._file.close()
        except self._av.FFmpegError as error:
            raise self._refused(error) from error

    def discard(self) -> None:
        """Closes a file that is thrown away."""
        with contextlib.suppress(self._av.FFmpegError):
            self._file.close()

    def _add_video(self, clip: Clip) -> Any:
        have = self._av.codecs_available
        codec, options = next(row for row in _CODECS if row[0] in have)
        stream = self._file.add_stream(codec, rate=clip.rate, options=options)
        stream.height, stream.width = clip.size
        # Half the colours in both directions, as every player takes it, needs
        # even sides.
        odd = any(side % 2 for side in clip.size) and codec == "libx264"
        stream.pix_fmt = "yuv444p" if odd else "yuv420p"
        context = stream.codec_context
        self._read_base = self._time_base = clip.time_base
        if codec == "mpeg4":
            finest = Fraction(1, _FINEST)
            self._time_base = max(self._time_base, finest)
        stream.time_base = context.time_base = self._time_base
        if clip.aspect != 1:
            context.sample_aspect_ratio = clip.aspect
        context.colorspace = context.color_primaries = _BT709
        context.color_trc, context.color_range = _BT709, _LIMITED
        return stream

    def _encode(self, frame: Any) -> None:
        try:
            packets = self._video.encode(frame)
        except self._av.FFmpegError as error:
            raise self._refused(error) from error
        for packet in packets:
            self._mux(packet)

    def _mux(self, packet: Any) -> None:
        try:
            self._file.mux(packet)
        except self._av.FFmpegError as error:
            raise self._refused(error) from error

    def _refused(self, error: Any) -> OSError:
        # The file itself has a hidden name until it is whole.
        folder = pathlib.Path(self._path).parent
        words = error.strerror or open_file.words(error)
        return OSError(f"A video cannot be written to {folder}: {words}.")
