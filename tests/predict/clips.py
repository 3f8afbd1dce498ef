"""Writes small videos with PyAV, without the package's own writer."""

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from PIL import Image


class Clip(NamedTuple):
    """Times and lengths are in seconds, pictures uint8 [N, H, W, 3]."""

    times: list[Fraction]
    pictures: np.ndarray
    rate: Fraction
    codec: str
    aspect: Fraction
    audio: Any
    audio_length: Any


def scene(i, size=(64, 96)):
    """Smooth blobs that move with the frame, uint8 [H, W, 3]."""
    small = np.random.default_rng(3).integers(0, 256, (6, 9, 3), np.uint8)
    picture = Image.fromarray(np.roll(small, i, 1))
    return np.asarray(picture.resize(size[::-1], Image.Resampling.BICUBIC))


def write_clip(
    path,
    times,
    *,
    size=(64, 96),
    unit=Fraction(1, 25),
    turned=0,
    aspect=None,
    audio=None,
    draw=scene,
):
    """Writes an H.264 clip whose frames are shown at `times` of `unit`.

    Args:
      path: whose ending says which container.
      times: whole numbers, rising.
      size: (height, width) of the stored frames.
      unit: seconds.
      turned: degrees, counter-clockwise, that a player turns frames by.
      aspect: width / height of a pixel.
      audio: codec of a second of silence beside it; None: there is none.
      draw: number of a frame -> RGB uint8 [H, W, 3].
    """
    import av

    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=1 / unit)
        video.height, video.width = size
        video.pix_fmt, video.options = "yuv420p", {"crf": "4"}
        video.time_base = video.codec_context.time_base = unit
        if aspect:
            video.codec_context.sample_aspect_ratio = aspect
        if turned:
            video.set_display_rotation(turned)
        sound = add_silence(file, audio) if audio else None
        for i, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(draw(i), format="rgb24")
            frame.pts, frame.time_base, frame.duration = time, unit, 1
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
        if sound is not None:
            file.mux(sound)


def add_silence(file, codec):
    """Adds a stream of audio; returns the packets of one second."""
    import av

    stream = file.add_stream(codec, rate=48000, layout="mono")
    stream.bit_rate = 64_000
    stream.codec_context.open()
    count = stream.codec_context.frame_size or 1024
    kind = stream.codec_context.format.name
    dtype = {"fltp": np.float32, "s16": np.int16, "flt": np.float32}[kind]
    packets = []
    for k in range(48000 // count):
        silence = np.zeros((1, count), dtype)
        frame = av.AudioFrame.from_ndarray(silence, format=kind, layout="mono")
        frame.sample_rate, frame.pts = 48000, k * count
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def read_clip(path):
    """What PyAV reads of a file."""
    import av

    with av.open(str(path)) as file:
        video = file.streams.video[0]
        times, pictures = [], []
        for frame in file.decode(video):
            times.append(frame.pts * frame.time_base)
            pictures.append(frame.to_ndarray(format="rgb24"))
        sound = next(iter(file.streams.audio), None)
        return Clip(
            times,
            np.stack(pictures),
            video.average_rate,
            video.codec_context.name,
            video.sample_aspect_ratio,
            sound and sound.codec_context.name,
            sound and sound.duration * sound.time_base,
        )
