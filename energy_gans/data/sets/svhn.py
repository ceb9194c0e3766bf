r"""SVHN: 73,257 and 26,032 photographs of house numbers of 32x32 pixels; labels are the digits.

VAPO uses them at `size: 32` as out-of-distribution images for a potential trained on CIFAR-10.

References:
    Reading Digits in Natural Images with Unsupervised Feature Learning (Netzer et al., 2011)
"""

from __future__ import annotations

from torchvision import datasets
from torchvision.datasets.utils import download_url

from ..base import Batch
from ..prepared.module import OriginalImages
from ..prepared.sources import load_svhn


class SVHN(OriginalImages):
    r"""SVHN data module.

    Images have the shape :math:`(3, S, S)`, with :math:`S` = `size`.

    Arguments:
        kwargs: The arguments of :class:`OriginalImages`.
    """

    command = "svhn"
    files = "train_32x32.mat and test_32x32.mat ('Format 2: Cropped Digits' on the SVHN page)"

    @property
    def classes(self) -> list[str]:
        return [str(digit) for digit in range(10)]

    def prepare_data(self) -> None:
        if self.download and self.manifest is None:
            for split in ("train", "test"):
                url, filename, md5 = datasets.SVHN.split_list[split]
                download_url(url, self.root, filename, md5)

    def originals(self, split: str) -> Batch:
        return load_svhn(self.root, split)
