r"""LSUN: photographs of a category of scenes, of a shorter side of 256 pixels; all have label 0.

Their centre squares are resized: to 64 in the Coulomb GAN paper (`bedroom`), in VAPO to 64 or 128
(`bedroom`, `church_outdoor`; `flip: true`), in GGCN to 64 or 128 (100,000 of `bedroom`,
`limit: 100000`; which ones is not stated). `bedroom` has 3,033,042 training images,
`church_outdoor` 126,227; 300 are held out of each category.

References:
    LSUN: Construction of a Large-scale Image Dataset using Deep Learning with Humans in the Loop
    (Yu et al., 2015), https://arxiv.org/abs/1506.03365
"""

from __future__ import annotations

from typing import Any

from ..prepared.module import StoredImages
from ..prepared.preprocessing import Crop


class LSUN(StoredImages):
    r"""Creates the data module of a category of LSUN.

    Arguments:
        root: The folder of the prepared set.
        category: The category, by LSUN's name: `"bedroom"`, `"church_outdoor"`, ...
        size: The width and height of the images, in pixels.
        crop: What was kept of the pictures before they were resized.
        kwargs: The arguments of :class:`ImageDataModule`.
    """

    command = "lsun"
    # The folder of both archives, packed or unpacked.
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
        r"""What people have to get."""
        return (
            f"{self.category}_train_lmdb.zip and {self.category}_val_lmdb.zip (which LSUN's "
            "download script gets)"
        )

    @property
    def preprocessing(self) -> dict[str, Any]:
        return {"category": self.category, "crop": self.crop, **super().preprocessing}
