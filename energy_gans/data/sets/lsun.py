r"""LSUN: photographs of one category of scenes, with a shorter side of 256 pixels and label 0.

The papers resize the centre square: the Coulomb GAN paper to 64 pixels (`bedroom`), VAPO to 64 or
128 (`bedroom` and `church_outdoor`, with `flip: true`), GGCN to 64 or 128 (100,000 images of
`bedroom`; the paper does not state which, we take the first ones: `limit: 100000`). The category
`bedroom` has 3,033,042 training images, `church_outdoor` 126,227; each has 300 held-out images.

References:
    LSUN: Construction of a Large-scale Image Dataset using Deep Learning with Humans in the Loop
    (Yu et al., 2015), https://arxiv.org/abs/1506.03365
"""

from __future__ import annotations

from typing import Any

from ..prepared.module import StoredImages
from ..prepared.preprocessing import Crop


class LSUN(StoredImages):
    r"""Data module of one category of LSUN.

    Images have the shape :math:`(3, S, S)`, with :math:`S` = `size`.

    Arguments:
        root: The folder of the prepared set.
        category: LSUN's name of the category: `"bedroom"`, `"church_outdoor"`, ...
        size: The width and height of the images, in pixels.
        crop: The part of the pictures that was kept before resizing.
        kwargs: The arguments of :class:`ImageDataModule`.
    """

    command = "lsun"
    # The prepare command takes the folder that holds both archives, packed or unpacked.
    source = ""

    def __init__(
        self,
        root: str,
        category: str = "bedroom",
        size: int = 64,
        crop: Crop = "square",
        **kwargs: Any,
    ) -> None:
        super().__init__(root, size, **kwargs)
        self.category, self.crop = category, crop

    @property
    def files(self) -> str:
        r"""The files that a user has to get."""
        return (
            f"{self.category}_train_lmdb.zip and {self.category}_val_lmdb.zip (which LSUN's "
            "download script gets)"
        )

    @property
    def preprocessing(self) -> dict[str, Any]:
        return {"category": self.category, "crop": self.crop, **super().preprocessing}
