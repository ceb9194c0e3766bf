r"""From an encoded picture to the pixels that a network sees: RGB, cropped, resized.

A picture is cropped first, then resized to a square of :math:`S` pixels by a bilinear filter that is
as wide as the reduction (Pillow's `BILINEAR`, "antialiased"), as the data sets of energy-based
models are. What stands outside of the crop has no influence.

What is not RGB becomes RGB so: grey is repeated, palettes are looked up, CMYK and YCbCr are converted by
Pillow, 16 bits become 8 by a division by 257, what is transparent is laid on white, and a picture whose
camera was turned is turned back.

The crops:

- `rows` leaves out the upper and lower 20 rows, which must leave a square: 178x178 of CelebA's
  178x218. What VAPO's paper cites, and the default for CelebA.
- `center140` is the centre of 140x140, which VAPO's code has for CelebA.
- `face` is the centre of 108x108, the face without the hair. The GGCN paper uses a
  "face-center-cropped" CelebA and does not say which; DCGAN's is our choice, for the Coulomb GAN's
  "cropped and centered" faces, too.
- `square` is the centre square of the shorter side: LSUN in all papers, and any folder.
- `none` stretches the whole picture: EIEG resizes everything.

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
# The pixels of a picture: a quarter of a gigabyte as RGB, the number above which Pillow warns.
LARGEST = 89_478_485
CENTRES = {"center140": 140, "face": 108}


@dataclass(frozen=True)
class Preprocessing:
    r"""Creates the map from a picture to an array, uint8 with shape :math:`(3, S, S)`.

    Arguments:
        size: The width and height :math:`S`, in pixels.
        crop: What is kept of the picture.

    Raises:
        ValueError: If `size` is not positive or `crop` is unknown.
    """

    size: int
    crop: Crop = "square"

    def __post_init__(self) -> None:
        check_count("size", self.size)
        if self.crop not in get_args(Crop):
            raise ValueError(f"'crop' should be one of {get_args(Crop)}, got {self.crop!r}.")

    def __call__(self, picture: bytes | np.ndarray) -> np.ndarray:
        r"""Returns the array of a picture.

        Arguments:
            picture: An encoded picture, or an array, uint8 with shape :math:`(H, W, 3)`.

        Raises:
            ValueError: If the picture can not be read, or the crop does not fit it.
        """
        image = decode(picture) if isinstance(picture, bytes) else Image.fromarray(picture)
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
        side = CENTRES.get(self.crop, min(width, height))
        if side > min(width, height):
            raise ValueError(
                f"'crop' = {self.crop!r} takes the centre {side}x{side}, and the picture is {width}x{height}"
            )
        left, upper = (width - side) // 2, (height - side) // 2
        return left, upper, left + side, upper + side

    def manifest(self) -> dict[str, Any]:
        r"""Returns what a manifest says of all that decides the pixels."""
        return {**asdict(self), "filter": "bilinear, antialiased", "mode": "RGB"}


def decode(encoded: bytes) -> Image.Image:
    r"""Returns an encoded picture as RGB.

    Raises:
        ValueError: If it can not be read to its end, or has more than `LARGEST` pixels.
    """
    try:
        image = Image.open(io.BytesIO(encoded))
        if math.prod(image.size) > LARGEST:
            raise ValueError(f"it has {image.width}x{image.height} pixels, more than {LARGEST}")
        if image.format == "EPS":
            # Pillow would have Ghostscript run it.
            raise ValueError("it is PostScript, a program, and no picture")
        ImageOps.exif_transpose(image, in_place=True)
        image.load()
    except Exception as error:  # Damaged pictures make Pillow's readers raise almost anything.
        unknown = isinstance(error, UnidentifiedImageError)
        reason = str(error).rstrip(".") or repr(error)
        raise ValueError("it is no picture" if unknown else reason) from error
    return _to_rgb(image)


def _to_rgb(image: Image.Image) -> Image.Image:
    r"""Returns a picture of any mode as RGB.

    Raises:
        ValueError: If its values have no known range.
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
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image)
    return image.convert("RGB")
