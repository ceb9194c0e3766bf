r"""Tests for the energy_gans.data.prepared.preprocessing module."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from energy_gans.data.prepared import preprocessing
from energy_gans.data.prepared.preprocessing import Preprocessing

from .sources.writing import frugal


def noise(width: int, height: int, *channels: int) -> np.ndarray:
    shape = (height, width, *channels)
    return np.random.default_rng(width + height).integers(0, 256, shape, dtype=np.uint8)


def encoded(image: Image.Image | np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, kind, **options)
    return file.getvalue()


def hats(inner: int, size: int) -> np.ndarray:
    r"""Returns the matrix of antialiased linear interpolation from `inner` pixels to `size`."""
    scale = max(1.0, inner / size)
    centre = (np.arange(size) + 0.5) * inner / size
    weight = 1 - abs(np.arange(inner) + 0.5 - centre[:, None]) / scale
    weight = weight.clip(0)
    return weight / weight.sum(1, keepdims=True)


@pytest.mark.parametrize(
    ("crop", "width", "height", "rows", "columns"),
    [
        ("rows", 178, 218, slice(20, 198), slice(0, 178)),
        ("center140", 178, 218, slice(39, 179), slice(19, 159)),
        ("face", 178, 218, slice(55, 163), slice(35, 143)),
        ("square", 300, 200, slice(0, 200), slice(50, 250)),
        ("square", 200, 301, slice(50, 250), slice(0, 200)),
        ("none", 178, 218, slice(0, 218), slice(0, 178)),
        ("none", 20, 30, slice(0, 30), slice(0, 20)),
    ],
)
def test_pictures_are_cropped_then_filtered(
    crop: str, width: int, height: int, rows: slice, columns: slice
) -> None:
    picture = noise(width, height, 3)
    part = picture[rows, columns].astype(float)
    vertical, horizontal = hats(part.shape[0], 64), hats(part.shape[1], 64)
    expected = np.einsum("ih,hwc,jw->cij", vertical, part, horizontal, optimize=True)
    found = Preprocessing(64, crop)(encoded(picture))
    assert found.shape == (3, 64, 64)
    assert found.dtype == np.uint8
    # Pillow rounds after the rows and after the columns.
    assert abs(found - expected).max() <= 1.01


def test_a_reduction_is_that_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = noise(128, 128, 3)
    y = torch.from_numpy(picture).permute(2, 0, 1)[None]
    expected = torch.nn.functional.interpolate(y, size=48, mode="bilinear", antialias=True)[0]
    found = torch.from_numpy(Preprocessing(48)(picture))
    assert (found.int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize("source", ["array", "picture"])
def test_a_picture_of_the_right_size_is_kept(source: str) -> None:
    picture = noise(32, 32, 3)
    found = Preprocessing(32)(picture if source == "array" else encoded(picture))
    assert np.array_equal(found, picture.transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("crop", "width", "height"),
    [("rows", 64, 64), ("rows", 218, 178), ("center140", 178, 139), ("face", 100, 218)],
)
def test_crops_that_do_not_fit_name_the_sizes(crop: str, width: int, height: int) -> None:
    with pytest.raises(ValueError, match=rf"'crop' = '{crop}' .* {width}x{height}"):
        Preprocessing(64, crop)(noise(width, height, 3))


GREY = noise(8, 8)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.fromarray(GREY), GREY),
        (Image.fromarray(GREY > 99), np.where(GREY > 99, 255, 0)),
        (Image.fromarray(GREY.astype(np.uint16) * 257), GREY),
        (Image.fromarray(GREY.astype(np.uint16) * 257 // 3), np.round(GREY / 3)),
        (Image.merge("LA", [Image.fromarray(a) for a in (GREY, GREY * 0 + 255)]), GREY),
        (Image.merge("LA", [Image.fromarray(a) for a in (GREY, GREY * 0)]), GREY * 0 + 255),
        (Image.fromarray(GREY).convert("RGB").quantize(256), GREY),
    ],
    ids=["grey", "1 bit", "16 bits", "16 bits, dark", "opaque", "transparent", "palette"],
)
def test_pictures_of_other_modes_become_rgb(image: Image.Image, expected: np.ndarray) -> None:
    found = Preprocessing(8)(encoded(image))
    assert np.array_equal(found, np.stack([expected] * 3))


def test_half_transparent_is_laid_on_white() -> None:
    image = Image.new("RGBA", (8, 8), (100, 0, 200, 51))
    found = Preprocessing(8)(encoded(image))
    assert found[:, 0, 0].tolist() == [224, 204, 244]


def test_a_transparent_colour_of_a_palette_is_laid_on_white() -> None:
    image = Image.new("P", (8, 8), 3)
    image.putpalette([10, 20, 30] * 4)
    image.putpixel((0, 0), 1)
    found = Preprocessing(8)(encoded(image, transparency=3))
    assert found[:, 0, 0].tolist() == [10, 20, 30]
    assert (found[:, 1:] == 255).all()


def test_cmyk_becomes_rgb() -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    found = Preprocessing(16)(encoded(image, "JPEG", quality=100))
    assert abs(found[:, 8, 8].astype(int) - [255, 0, 0]).max() <= 3


def test_a_turned_picture_is_turned_back() -> None:
    picture = noise(8, 8, 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    found = Preprocessing(8)(encoded(picture, exif=exif))
    assert np.array_equal(found, np.rot90(picture, -1).transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "it is no picture"),
        (b"<html>404</html>", "it is no picture"),
        (encoded(noise(64, 64, 3), "JPEG")[:-900], "truncated"),
        (encoded(noise(64, 64, 3))[:-5000], "truncated"),
        (encoded(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF"), "floats"),
        (encoded(Image.fromarray(np.full((4, 4), -1, np.int32)), "TIFF"), "16 bits"),
    ],
    ids=["empty", "text", "cut JPEG", "cut PNG", "floats", "negative"],
)
def test_what_can_not_be_read_is_an_error(contents: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Preprocessing(8)(contents)


@pytest.mark.parametrize("flip", range(0, 600, 37))
def test_damage_is_an_error_or_a_picture(flip: int) -> None:
    contents = bytearray(encoded(noise(16, 16, 3), "GIF"))
    contents[flip] ^= 0xFF
    try:
        assert Preprocessing(8)(bytes(contents)).shape == (3, 8, 8)
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("size", "crop", "message"),
    [(0, "square", "'size' should be at least 1, got 0"), (8, "middle", "'crop' .* 'middle'")],
)
def test_bad_arguments_are_named(size: int, crop: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Preprocessing(size, crop)


def test_the_manifest_says_what_decides_the_pixels() -> None:
    assert Preprocessing(64, "rows").manifest() == {
        "size": 64,
        "crop": "rows",
        "filter": "bilinear, antialiased",
        "mode": "RGB",
    }


def announced(width: int, height: int) -> bytes:
    r"""Returns a small PNG whose header claims a size."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(bytes(100))
    chunks = [
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (head, data)
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((9460, 9460), "it has 9460x9460 pixels, more than 89478485"),
        ((60_000, 60_000), "exceeds limit of 178956970 pixels"),
        ((2**31 - 1, 2**31 - 1), "exceeds limit"),
    ],
)
def test_a_picture_of_too_many_pixels_is_not_decoded(size: tuple[int, int], message: str) -> None:
    with frugal(memory=2**26), pytest.raises(ValueError, match=message):
        Preprocessing(8)(announced(*size))


def test_the_largest_picture_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preprocessing, "LARGEST", 20 * 30)
    assert Preprocessing(8)(encoded(noise(20, 30, 3))).shape == (3, 8, 8)
    with pytest.raises(ValueError, match="it has 20x31 pixels, more than 600"):
        Preprocessing(8)(encoded(noise(20, 31, 3)))


def test_postscript_is_not_run() -> None:
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n{} loop\n%%EOF\n"
    with frugal(), pytest.raises(ValueError, match="it is PostScript, a program, and no picture"):
        Preprocessing(8)(program)
