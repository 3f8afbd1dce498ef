"""Videos read and written, beside what PyAV itself reads and writes."""

import builtins
import functools
import os
from fractions import Fraction

import numpy as np
import pytest

from ipixmatch_jax.data.source import BadFileError
from ipixmatch_jax.predict import video_writer
from ipixmatch_jax.predict.video_reader import VideoReader
from ipixmatch_jax.predict.video_writer import VideoWriter
from ipixmatch_jax.utils.errors import RunError
from tests.predict import clips

av = pytest.importorskip("av")
# Phones leave out frames where nothing moves.
UNEVEN = (0, 1, 2, 5, 6, 13, 14, 20)


def copied(source, to):
    """Reads a video with our reader, and writes it with our writer."""
    with VideoReader(str(source)) as reader:
        writer = VideoWriter(str(to), reader.clip, reader.audio)
        keep = writer.copy_audio if writer.has_audio else None
        for frame in reader.frames(keep):
            writer.write(frame.image, frame)
        writer.finish()
        return reader.clip


@pytest.mark.parametrize(
    ("ending", "unit"),
    [
        (".mp4", Fraction(1, 25)),
        (".mov", Fraction(1001, 30000)),
        (".mkv", Fraction(1, 50)),
    ],
)
def test_a_copy_has_the_times_and_the_colours(tmp_path, ending, unit):
    source, to = tmp_path / f"a{ending}", tmp_path / "b.mp4"
    clips.write_clip(source, UNEVEN, unit=unit)
    copied(source, to)
    old, new = clips.read_clip(source), clips.read_clip(to)
    assert new.codec == "h264"
    # A Matroska file counts whole milliseconds.
    assert new.times == pytest.approx(old.times, abs=0.0005)
    assert new.times == pytest.approx([t * unit for t in UNEVEN], abs=0.001)
    assert new.pictures.shape == old.pictures.shape == (8, 64, 96, 3)
    assert np.abs(new.pictures.astype(float) - old.pictures).mean() < 4
    drawn = np.stack([clips.scene(i) for i in range(8)])
    assert np.abs(new.pictures.astype(float) - drawn).mean() < 7


@pytest.mark.parametrize("unit", [Fraction(1, 25), Fraction(1001, 30000)])
def test_the_frame_rate_is_kept(tmp_path, unit):
    source, to = tmp_path / "a.mov", tmp_path / "b.mp4"
    clips.write_clip(source, range(9), unit=unit)
    copied(source, to)
    assert clips.read_clip(source).rate == clips.read_clip(to).rate == 1 / unit


def patches(i):
    """Four flat colours; another colour matrix would shift them by 20."""
    colours = np.uint8(
        [[[230, 30, 40], [20, 170, 50]], [[30, 60, 220], [i] * 3]]
    )
    return colours.repeat(32, 0).repeat(48, 1)


def test_colours_are_kept(tmp_path):
    source, to = tmp_path / "a.mp4", tmp_path / "b.mp4"
    clips.write_clip(source, range(3), draw=patches)
    copied(source, to)
    new = clips.read_clip(to).pictures.astype(float)
    # In the middle of each patch.
    np.testing.assert_allclose(
        new[2, 16::32, 24::48], patches(2)[16::32, 24::48], atol=5
    )


def test_frames_are_turned_upright(tmp_path):
    source, to = tmp_path / "a.mov", tmp_path / "b.mp4"
    # A phone held upright stores frames that lie on their side.
    clips.write_clip(source, range(3), turned=-90, aspect=Fraction(2, 1))
    clip = copied(source, to)
    assert (clip.size, clip.turns, clip.aspect) == ((96, 64), 3, Fraction(1, 2))
    new = clips.read_clip(to)
    assert new.aspect == Fraction(1, 2)
    upright = np.stack([np.rot90(clips.scene(i), -1) for i in range(3)])
    assert new.pictures.shape == upright.shape
    assert np.abs(new.pictures.astype(float) - upright).mean() < 7


def test_odd_sides_are_kept(tmp_path):
    source, to = tmp_path / "a.mp4", tmp_path / "b.mp4"
    clips.write_clip(source, range(3))
    with VideoReader(str(source)) as reader:
        clip = reader.clip._replace(size=(63, 95))
        writer = VideoWriter(str(to), clip)
        for frame in reader.frames():
            writer.write(frame.image[:63, :95], frame)
        writer.finish()
    assert clips.read_clip(to).pictures.shape == (3, 63, 95, 3)


def test_without_x264_the_video_is_mpeg4(tmp_path, monkeypatch):
    monkeypatch.setattr(video_writer, "_CODECS", video_writer._CODECS[1:])
    source, to = tmp_path / "a.mp4", tmp_path / "b.mp4"
    # A finer unit than MPEG-4 part 2 can count.
    unit = Fraction(1, 90_000)
    times = [0, 3000, 6000, 45_000]
    clips.write_clip(source, times, unit=unit)
    copied(source, to)
    new = clips.read_clip(to)
    assert new.codec == "mpeg4"
    drawn = np.stack([clips.scene(i) for i in range(4)])
    assert np.abs(new.pictures.astype(float) - drawn).mean() < 7
    assert new.times == pytest.approx([t * unit for t in times], abs=0.0001)


def test_audio_is_copied_where_mp4_can_hold_it(tmp_path):
    source, to = tmp_path / "a.mkv", tmp_path / "b.mp4"
    clips.write_clip(source, range(25), audio="aac")
    assert copied(source, to).audio == "aac"
    new = clips.read_clip(to)
    assert (len(new.times), new.audio) == (25, "aac")
    assert new.audio_length == pytest.approx(1, abs=0.05)


def test_audio_that_mp4_cannot_hold_is_left_out(tmp_path):
    source, to = tmp_path / "a.wmv", tmp_path / "b.mp4"
    clips.write_clip(source, range(5), audio="wmav2")
    assert copied(source, to).audio == "wmav2"
    new = clips.read_clip(to)
    assert (len(new.times), new.audio) == (5, None)


def test_a_network_of_one_channel_gets_the_luma(tmp_path):
    clips.write_clip(tmp_path / "a.mp4", range(2))
    with VideoReader(str(tmp_path / "a.mp4"), channels=1) as reader:
        frames = list(reader.frames())
    assert frames[1].image.shape == (64, 96, 1)
    luma = clips.scene(1) @ [0.299, 0.587, 0.114]
    assert np.abs(frames[1].image[..., 0] - luma).mean() < 4


def read_all(path):
    with VideoReader(str(path)) as reader:
        return list(reader.frames())


def write_text(path):
    path.write_text("this is a letter, not a video" * 50)


def write_sound(path):
    with av.open(str(path), "w") as file:
        file.mux(clips.add_silence(file, "aac"))


def write_half(path, more=0):
    """A video whose index comes first, cut off after 40 of 60 frames."""
    first = path.with_suffix(".mov")
    clips.write_clip(first, range(60))
    copied(first, path)
    with av.open(str(path)) as file:
        places = [p.pos for p in file.demux(video=0) if p.size]
    path.write_bytes(path.read_bytes()[: places[40] + more])


def write_two_sizes(path):
    parts = []
    for size in ((64, 96), (32, 48)):
        draw = functools.partial(clips.scene, size=size)
        clips.write_clip(path, range(3), size=size, draw=draw)
        parts.append(path.read_bytes())
    path.write_bytes(b"".join(parts))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (write_text, r"a\.mp4 cannot be decoded: "),
        (lambda path: path.touch(), r"a\.mp4 is empty: it holds 0 bytes"),
        (os.mkfifo, r"a\.mp4 is not a file"),
        (write_sound, r"a\.mp4 holds no video\."),
        (write_half, r"a\.mp4 is cut off: .* 60 frames, and holds 40\."),
        (
            functools.partial(write_half, more=9),
            r"a\.mp4 cannot be decoded: Invalid data found",
        ),
        (lambda path: None, r"a\.mp4 cannot be read: No such file"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence(tmp_path, write, message):
    path = tmp_path / "a.mp4"
    write(path)
    with pytest.raises(BadFileError, match=message):
        read_all(path)


def test_a_change_of_size_is_refused(tmp_path):
    path = tmp_path / "a.mpg"
    write_two_sizes(path)
    with pytest.raises(BadFileError, match="changes its size in the middle"):
        read_all(path)


def test_a_network_of_four_channels_is_refused(tmp_path):
    with pytest.raises(BadFileError, match="takes images of 4 channels"):
        VideoReader(str(tmp_path / "a.mp4"), channels=4)


def test_without_the_extra_the_way_out_is_named(tmp_path, monkeypatch):
    found = builtins.__import__

    def find(name, *rest, **more):
        if name == "av":
            raise ImportError(name)
        return found(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", find)
    with pytest.raises(RunError, match=r"a\.mp4 is a video.*\[video\]"):
        VideoReader(str(tmp_path / "a.mp4"))


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("none/b.mp4", "cannot be written to .*/none: No such file"),
        ("/dev/full", "cannot be written to /dev: No space"),
    ],
)
def test_what_cannot_be_written_is_one_sentence(tmp_path, place, message):
    if place.startswith("/") and not os.path.exists(place):
        pytest.skip(f"{place} is a device of Linux")
    clips.write_clip(tmp_path / "a.mp4", range(2))
    with VideoReader(str(tmp_path / "a.mp4")) as reader:
        writer = VideoWriter(str(tmp_path / place), reader.clip)
        with pytest.raises(OSError, match=message):
            for frame in reader.frames():
                writer.write(frame.image, frame)
            writer.finish()
        writer.discard()
