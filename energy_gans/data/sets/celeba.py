r"""CelebA: 202,599 faces, aligned and cropped to 178x218 pixels, without labels.

The splits are the official ones: 162,770 images for training, 19,867 in `"val"`, 19,962 in
`"test"`. The papers use these crops and sizes:

- VAPO: `rows`, without the upper and lower 20 rows (178x178), at `size: 64` with `flip: true`.
- VAPO's code: `center140`, the central 140x140 pixels, at `size: 64` with `flip: true`.
- Coulomb GAN ("cropped and centered") and GGCN ("face-center-cropped"): the papers do not state
  the crop. We choose `face`, the central 108x108 pixels, at `size: 64`.
- EIEG: `none`, the whole picture, stretched to `size: 32` or `64`.

References:
    Deep Learning Face Attributes in the Wild (Liu et al., 2015), https://arxiv.org/abs/1411.7766
"""

from __future__ import annotations

from typing import Any

from ..prepared.module import StoredImages
from ..prepared.preprocessing import Crop


class CelebA(StoredImages):
    r"""CelebA data module.

    Images have the shape :math:`(3, S, S)`, with :math:`S` = `size`.

    Arguments:
        root: The folder of the prepared set.
        size: The width and height of the images, in pixels.
        crop: The part of the pictures that was kept before resizing.
        kwargs: The arguments of :class:`ImageDataModule`.
    """

    command = "celeba"
    files = "img_align_celeba.zip ('Align&Cropped Images' on the CelebA page)"
    source = "img_align_celeba.zip"

    def __init__(self, root: str, size: int = 64, crop: Crop = "rows", **kwargs: Any) -> None:
        super().__init__(root, size, **kwargs)
        self.crop = crop

    @property
    def preprocessing(self) -> dict[str, Any]:
        return {"crop": self.crop, **super().preprocessing}
