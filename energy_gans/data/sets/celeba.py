r"""CelebA: 202,599 faces, aligned and cropped to 178x218 pixels, without labels.

The splits are the official ones: 162,770 images for training, 19,867 `"val"`, 19,962 `"test"`.

| paper | `crop` | `size` | |
| --- | --- | --- | --- |
| VAPO | `rows`: without the upper and lower 20 rows, 178x178 | 64 | `flip: true` |
| VAPO's code | `center140`: the centre of 140x140 | 64 | `flip: true` |
| Coulomb GAN, "cropped and centered", and GGCN, "face-center-cropped" | `face`: the centre of 108x108, our reading | 64 | |
| EIEG | `none`: the whole picture, stretched | 32 or 64 | |

References:
    Deep Learning Face Attributes in the Wild (Liu et al., 2015), https://arxiv.org/abs/1411.7766
"""

from __future__ import annotations

from typing import Any

from ..prepared.module import StoredImages
from ..prepared.preprocessing import Crop


class CelebA(StoredImages):
    r"""Creates the CelebA data module.

    Arguments:
        root: The folder of the prepared set.
        size: The width and height of the images, in pixels.
        crop: What was kept of the pictures before they were resized.
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
