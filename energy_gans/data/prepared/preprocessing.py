r"""From an encoded picture to the pixels that a network sees: RGB, cropped and resized.

A picture is cropped first, so pixels outside of the crop have no influence, and then resized to a
width and height of :math:`S` pixels by an antialiased bilinear filter (Pillow's `BILINEAR`), as
the data sets of papers on energy-based models are.

Every picture becomes RGB. Grey values are repeated, palettes are looked up, and Pillow converts
CMYK and YCbCr. Values of 16 bits are divided by 257, transparent pixels are blended with white,
and the EXIF orientation is applied.

The crops:

- `rows` leaves out the upper and lower 20 rows, which must leave a square, as 178x178 of CelebA's
  178x218. The VAPO paper cites it, and it is the default for CelebA.
- `center140` is the central 140x140 pixels, as VAPO's code crops CelebA.
- `face` is the central 108x108 pixels, the face without the hair. The GGCN paper uses a
  "face-center-cropped" CelebA and the Coulomb GAN paper "cropped and centered" faces. Neither
  states the crop, and we choose DCGAN's.
- `square` is the centre square of the shorter side. All papers use it for LSUN, and it is the
  default for folders.
- `none` stretches the whole picture, as the EIEG GAN paper does for all data sets.

References:
    Learning Energy-Based Models by Diffusion Recovery Likelihood (Gao et al., 2021),
    https://arxiv.org/abs/2012.08125
    Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks
    (Radford et al., 2016), https://arxiv.org/abs/1511.06434
"""

from __future__ import annotations

import io
import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ...checks import check_count

Crop = Literal["rows", "center140", "face", "square", "none"]

ROWS = 20
# The largest number of pixels of a picture, at which Pillow begins to warn: 256 MiB as RGB.
LARGEST = 89_478_485
_CENTRES = {"center140": 140, "face": 108}


@dataclass(frozen=True)
class Preprocessing:
    r"""Map from a picture to its pixels, uint8 with shape :math:`(3, S, S)`.

    Arguments:
        size: The width and height :math:`S`, in pixels.
        crop: The part of the picture that is kept.

    Raises:
        ValueError: If `size` is not positive or `crop` is unknown.
    """

    size: int
    crop: Crop = "square"

    def __post_init__(self) -> None:
        check_count("size", self.size)
        if self.crop not in get_args(Crop):
            raise ValueError(f"'crop' should be one of {get_args(Crop)}, got {self.crop!r}.")

    def __call__(self, picture: bytes | np.ndarray | Image.Image) -> np.ndarray:
        r"""Returns the pixels of a picture.

        Arguments:
            picture: An encoded picture, an array, uint8 with shape :math:`(H, W, 3)`, or an image
                of Pillow.

        Raises:
            ValueError: If the picture can not be read, or the crop does not fit it.
        """
        if isinstance(picture, bytes):
            image = decode(picture)
        elif isinstance(picture, np.ndarray):
            image = Image.fromarray(picture)
        else:
            image = _to_rgb(ImageOps.exif_transpose(picture))
        image = image.crop(self.box(*image.size))
        if image.size != (self.size, self.size):
            image = image.resize((self.size, self.size), Image.Resampling.BILINEAR)
        return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))

    def box(self, width: int, height: int) -> tuple[int, int, int, int]:
        r"""Returns the left, upper, right and lower edges of the crop of a picture."""
        if self.crop == "none":
            return 0, 0, width, height
        if self.crop == "rows":
            if height != width + 2 * ROWS:
                raise ValueError(
                    f"'crop' = 'rows' leaves a square of pictures that are {2 * ROWS} higher than "
                    f"wide, as CelebA's 178x218, not of {width}x{height}"
                )
            return 0, ROWS, width, height - ROWS
        side = _CENTRES.get(self.crop, min(width, height))
        if side > min(width, height):
            raise ValueError(
                f"'crop' = {self.crop!r} takes the centre {side}x{side}, "
                f"and the picture is {width}x{height}"
            )
        left, upper = (width - side) // 2, (height - side) // 2
        return left, upper, left + side, upper + side

    def manifest(self) -> dict[str, Any]:
        r"""Returns the entries of a manifest that determine the pixels."""
        return {**asdict(self), "filter": "bilinear, antialiased", "mode": "RGB"}


def decode(encoded: bytes) -> Image.Image:
    r"""Decodes a picture, as RGB.

    Returns:
        The picture.

    Raises:
        ValueError: If the picture can not be decoded completely, or has more than `LARGEST`
            pixels.
    """
    try:
        image = Image.open(io.BytesIO(encoded))
        if math.prod(image.size) > LARGEST:
            raise ValueError(f"it has {image.width}x{image.height} pixels, more than {LARGEST}")
        if image.format == "EPS":
            # Pillow would run the program with Ghostscript.
            raise ValueError("it is PostScript, a program, and no picture")
        ImageOps.exif_transpose(image, in_place=True)
        image.load()
    except Exception as error:  # Damaged pictures make Pillow's readers raise almost anything.
        unknown = isinstance(error, UnidentifiedImageError)
        reason = str(error).rstrip(".") or repr(error)
        raise ValueError("it is no picture" if unknown else reason) from error
    return _to_rgb(image)


def _to_rgb(image: Image.Image) -> Image.Image:
    r"""Converts a picture of any mode to RGB.

    Returns:
        The picture as RGB.

    Raises:
        ValueError: If the values of the picture have no known range.
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("its values do not fit in 16 bits")
        image = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("its values are floats, of no known range")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        background = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(background, image)
    return image.convert("RGB")
