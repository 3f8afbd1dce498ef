"""Damaged files and lists give a correct sample or one sentence."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from ipixmatch_jax.data.files import decode, stored_masks
from ipixmatch_jax.data.files.file_source import FileSource
from ipixmatch_jax.data.files.split_list import read_list
from ipixmatch_jax.data.registry import open_data
from ipixmatch_jax.data.source import BadFileError

WIDTH, HEIGHT = 24, 17
RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
IDS = RNG.integers(0, 3, (HEIGHT, WIDTH), np.uint8)


def encoded(image, **how):
    file = io.BytesIO()
    image.save(file, **how)
    return file.getvalue()


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def images():
    """{encoding: bytes of one image}."""
    rgb = Image.fromarray(COLOURS)
    sixteen = Image.fromarray(COLOURS[..., 0].astype(np.uint16) << 8)
    return {
        "rgb.png": encoded(rgb, format="PNG"),
        "palette.png": encoded(rgb.quantize(8), format="PNG"),
        "see_through.png": encoded(
            rgb.quantize(8), format="PNG", transparency=bytes([0, 9, 200])
        ),
        "alpha.png": encoded(rgb.convert("RGBA"), format="PNG"),
        "grey_alpha.png": encoded(rgb.convert("LA"), format="PNG"),
        "sixteen.png": encoded(sixteen, format="PNG"),
        "bits.png": encoded(rgb.convert("1"), format="PNG"),
        "turned.png": encoded(rgb, format="PNG", exif=exif(6)),
        "rgb.jpg": encoded(rgb, format="JPEG"),
        "grey.jpg": encoded(rgb.convert("L"), format="JPEG"),
        "cmyk.jpg": encoded(rgb.convert("CMYK"), format="JPEG"),
        "slow.jpg": encoded(rgb, format="JPEG", progressive=True),
        "turned.jpg": encoded(rgb, format="JPEG", exif=exif(8)),
        "rgb.webp": encoded(rgb, format="WEBP", exif=exif(5)),
        "rgb.bmp": encoded(rgb, format="BMP"),
        "rgb.tif": encoded(rgb, format="TIFF"),
        "packed.tif": encoded(
            rgb, format="TIFF", compression="tiff_lzw", exif=exif(6)
        ),
    }


def masks():
    ids = Image.fromarray(IDS)
    palette = ids.copy()
    palette.putpalette([*range(30)])
    return {
        "grey.png": encoded(ids, format="PNG"),
        "palette.png": encoded(palette, format="PNG"),
        "narrow.png": encoded(palette, format="PNG", bits=2),
        "grey.bmp": encoded(ids, format="BMP"),
    }


def mutated(data, rng):
    """The bytes after one to three kinds of damage."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(0, max(len(data), 1)))
        length = int(rng.integers(1, 20))
        kind = rng.integers(0, 6)
        if kind == 0:
            del data[at:]
        elif kind == 1 and data:
            for place in rng.integers(0, len(data), length):
                data[place] ^= 1 << int(rng.integers(0, 8))
        elif kind == 2:
            data[at : at + length] = bytes(min(length, len(data) - at))
        elif kind == 3:
            data[at:at] = rng.bytes(length)
        elif kind == 4:
            del data[at : at + length]
        else:
            # The header holds sizes, offsets and counts.
            place = int(rng.integers(0, min(len(data), 64) + 1))
            data[place : place + 4] = rng.bytes(4)
    return bytes(data)


def outcome(source, path):
    """(sample, size), or None after a one-sentence error with the file name."""
    try:
        return source[0], source.size(0)
    except BadFileError as error:
        sentence = str(error)
        assert str(path) in sentence
        assert "\n" not in sentence
        assert sentence.endswith(".")
        return None


# Pillow warns about damaged files that it can still read.
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", images())
def test_mutated_images(name, tmp_path):
    whole, path = images()[name], tmp_path / name
    source = FileSource(tmp_path, [(name, None)], 3)
    path.write_bytes(whole)
    right, size = outcome(source, path)
    rng = np.random.default_rng([1, len(name)])
    refused = 0
    for _ in range(30):
        path.write_bytes(mutated(whole, rng))
        got = outcome(source, path)
        if got is None:
            refused += 1
            continue
        image, mask = got[0]
        assert mask is None
        assert image.mode == "RGB"
        assert image.size == got[1][::-1]
        if name.endswith(".png"):  # PNG checksums detect all damage.
            assert image.tobytes() == right.image.tobytes()
            assert got[1] == size
    assert refused >= 3


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", masks())
def test_mutated_masks(name, tmp_path):
    whole, path = masks()[name], tmp_path / name
    (tmp_path / "image.png").write_bytes(images()["rgb.png"])
    source = FileSource(tmp_path, [("image.png", name)], 3)
    path.write_bytes(whole)
    (_, mask), _ = outcome(source, path)
    np.testing.assert_array_equal(np.asarray(mask), IDS)
    rng = np.random.default_rng([2, len(name)])
    for _ in range(40):
        path.write_bytes(mutated(whole, rng))
        got = outcome(source, path)
        if got is not None:
            ids = np.asarray(got[0].mask)
            assert ids.shape == (HEIGHT, WIDTH)
            assert set(np.unique(ids)) <= {0, 1, 2, 255}
            if name.endswith(".png"):
                np.testing.assert_array_equal(ids, IDS)


def test_mutated_lists(tmp_path):
    for folder in ("JPEGImages", "SegmentationClass", "splits/1_2"):
        (tmp_path / folder).mkdir(parents=True)
    lines = []
    for i in range(6):
        image, mask = f"JPEGImages/{i}.jpg", f"SegmentationClass/{i}.png"
        (tmp_path / image).write_bytes(images()["rgb.jpg"])
        (tmp_path / mask).write_bytes(masks()["grey.png"])
        lines.append(f"{image} {mask}\n")
    whole = "".join(lines).encode()
    for name in ("1_2/unlabeled.txt", "val.txt"):
        (tmp_path / "splits" / name).write_bytes(whole)
    path = tmp_path / "splits/1_2/labeled.txt"
    rng = np.random.default_rng(3)
    opened = 0
    for i in range(150):
        some = "".join(rng.choice(lines, i % 7)).encode()
        path.write_bytes(mutated(whole, rng) if i % 3 else some)
        try:
            data = open_data("voc", str(tmp_path), "", "1_2")
        except (ValueError, FileNotFoundError) as error:
            assert str(path) in str(error)
            assert "\n" not in str(error)
            continue
        opened += 1
        for j in range(len(data.labelled)):
            name = os.path.join(tmp_path, data.labelled.name(j))
            assert os.path.realpath(name).startswith(str(tmp_path.resolve()))
    assert 40 <= opened < 60


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "names no images"),
        (b"\x89PNG\r\n\x1a\n\xff", "not text in UTF-8: see its byte 0"),
        (b"a.jpg\0x m.png", r"line 1: 'a.jpg\\x00x' is not a path"),
        (b"ok.jpg\nd/../../x.jpg", "line 2: .* leads out of the root"),
        ("\ufeff/etc/x".encode(), "line 1: /etc/x leads out of the root"),
    ],
)
def test_bad_lists_are_named_with_the_line(tmp_path, content, sentence):
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{path}.*{sentence}"):
        read_list(path)


def read(tmp_path, data, name="image"):
    path = tmp_path / name
    path.write_bytes(data)
    image = decode.read_image(str(path))
    assert decode.read_size(str(path)) == image.size[::-1]
    return np.asarray(image)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_exif_rotation_is_applied(tmp_path, orientation):
    data = encoded(
        Image.fromarray(COLOURS), format="JPEG", exif=exif(orientation)
    )
    with Image.open(io.BytesIO(data)) as image:
        right = ImageOps.exif_transpose(image)
    np.testing.assert_array_equal(read(tmp_path, data), np.asarray(right))


def test_a_mask_that_was_not_rotated_with_its_image_is_reported(tmp_path):
    (tmp_path / "a.jpg").write_bytes(images()["turned.jpg"])
    (tmp_path / "a.png").write_bytes(masks()["grey.png"])
    source = FileSource(tmp_path, [("a.jpg", "a.png")], 3)
    with pytest.raises(BadFileError, match=r"24x17 .* 17x24.*EXIF.*turn the"):
        source[0]


def test_modes_become_rgb(tmp_path):
    grey = COLOURS[..., 0]
    spread = np.repeat(grey[..., None], 3, 2)
    some = images()
    # 16 bits over the range of their type: 65,535 is 255.
    deep = np.round(spread.astype(float) * 256 / 257)
    np.testing.assert_array_equal(read(tmp_path, some["sixteen.png"]), deep)
    np.testing.assert_array_equal(read(tmp_path, some["alpha.png"]), COLOURS)
    file = encoded(Image.fromarray(grey), format="PNG")
    np.testing.assert_array_equal(read(tmp_path, file), spread)
    # Cyan removes red: full cyan and half black of a CMYK JPEG.
    flat = Image.new("CMYK", (16, 16), (255, 0, 0, 128))
    pixels = read(tmp_path, encoded(flat, format="JPEG", quality=100))
    assert np.abs(pixels.astype(int) - (0, 127, 127)).max() <= 3
    hidden = Image.new("RGBA", (4, 4), (9, 8, 7, 0))
    pixels = read(tmp_path, encoded(hidden, format="PNG"))
    assert (pixels == (9, 8, 7)).all()
    floats = Image.fromarray(np.zeros((4, 4), np.float32))
    with pytest.raises(
        BadFileError, match="float32 values, which have no range"
    ):
        read(tmp_path, encoded(floats, format="TIFF"))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_masks_of_few_bits_keep_their_ids(tmp_path, bits):
    ids = np.arange(2**bits, dtype=np.uint8).repeat(8)[None]
    path = tmp_path / "mask.png"
    rows = (
        b"\0"
        + np.packbits(
            np.unpackbits(ids[0][:, None], axis=1)[:, 8 - bits :].ravel()
        ).tobytes()
    )
    path.write_bytes(png(ids.shape[1], 1, bits, rows))
    mask = stored_masks.read_mask(str(path))
    assert mask.mode == "L"
    np.testing.assert_array_equal(np.asarray(mask), ids)


def png(width, height, bits, rows):
    """A grey PNG with valid checksums, whatever size its header gives."""

    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    "size", [(9_500, 9_500), (50_000, 50_000), (2**31 - 1, 9), (1, 66_000)]
)
def test_huge_images_are_refused_by_their_header(tmp_path, size):
    (tmp_path / "huge.png").write_bytes(png(*size, 8, bytes(99)))
    source = FileSource(tmp_path, [("huge.png", None)], 3)
    sentence = r"huge.png is .* than 89,478,485 pixels or 65,535 along a side"
    for read in (source.size, source.__getitem__):
        with pytest.raises(BadFileError, match=sentence):
            read(0)


def test_a_png_whose_pixels_end_early_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(png(90, 90, 8, bytes(99)))
    with pytest.raises(BadFileError, match=r"a.png cannot be decoded"):
        decode.read_image(str(tmp_path / "a.png"))


def test_a_path_that_cannot_be_read_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "empty.png").touch()
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    for name, reason in (
        ("pipe.png", "is not a file"),
        ("folder.png", "is not a file"),
        ("empty.png", "is empty: it holds 0 bytes"),
        ("loop.png", "cannot be read: Too many levels of symbolic links"),
        ("gone.png", "cannot be read: No such file"),
        ("x" * 300, "cannot be read: File name too long"),
    ):
        path = str(tmp_path / name)
        for read in decode.read_image, stored_masks.read_mask, decode.read_size:
            with pytest.raises(BadFileError, match=f"{path} {reason}"):
                read(path)


def test_masks_without_class_ids_are_refused(tmp_path):
    rgb = Image.fromarray(COLOURS)
    for image, how, reason in (
        (rgb, "PNG", "holds RGB colours"),
        (rgb.convert("RGBA"), "PNG", "holds RGB colours"),
        (rgb.convert("CMYK"), "TIFF", r"has 4 bands \(CMYK\)"),
        (Image.fromarray(IDS + np.uint16(300)), "PNG", "holds the value 30"),
        (Image.fromarray(IDS), "JPEG", "is a JPEG file, whose compression"),
        (Image.fromarray(IDS), "WEBP", "is a WEBP file"),
    ):
        path = tmp_path / "mask"
        path.write_bytes(encoded(image, format=how))
        with pytest.raises(BadFileError, match=f"{path} {reason}"):
            stored_masks.read_mask(str(path))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>404</html>", "a web page"),
        (b"nothing of the kind", "none of JPEG, PNG, WEBP, BMP, TIFF"),
    ],
)
def test_text_under_an_images_name_is_recognised(content, words, tmp_path):
    (tmp_path / "a.jpg").write_bytes(content)
    for read in decode.read_image, decode.read_size:
        with pytest.raises(BadFileError, match=f"a.jpg .*{words}"):
            read(str(tmp_path / "a.jpg"))
