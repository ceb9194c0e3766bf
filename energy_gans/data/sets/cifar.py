r"""CIFAR-10 and CIFAR-100: 50,000 and 10,000 photographs of 32x32 pixels.

The Coulomb GAN, GGCN and VAPO papers use the original size, `size: 32`; VAPO also flips the
images, `flip: true`. The EIEG GAN paper resizes all images to the size of its networks, `size: 32`
or `64`. The labels of CIFAR-100 are its 100 fine classes.

References:
    Learning Multiple Layers of Features from Tiny Images (Krizhevsky, 2009)
"""

from __future__ import annotations

from torchvision import datasets
from torchvision.datasets.utils import download_url

from ..base import Batch
from ..prepared.module import OriginalImages, root_message
from ..prepared.sources.cifar import cifar_classes, load_cifar


class CIFAR10(OriginalImages):
    r"""CIFAR-10 data module.

    Images have the shape :math:`(3, S, S)`, with :math:`S` = `size`.

    Arguments:
        kwargs: The arguments of :class:`OriginalImages`.
    """

    command = "cifar10"
    files = (
        "cifar-10-python.tar.gz ('CIFAR-10 python version' on the CIFAR page), packed or unpacked"
    )
    dataset = datasets.CIFAR10
    count = 10

    @property
    def classes(self) -> list[str]:
        if self.manifest is not None:
            return super().classes
        try:
            return cifar_classes(self.root, self.count)
        except FileNotFoundError:
            return []
        except ValueError as error:
            raise ValueError(root_message(error)) from error

    def prepare_data(self) -> None:
        unpacked = self.root / self.dataset.base_folder
        if self.download and self.manifest is None and not unpacked.is_dir():
            # torchvision's own class would also unpickle the downloaded files.
            download_url(self.dataset.url, self.root, self.dataset.filename, self.dataset.tgz_md5)

    def originals(self, split: str) -> Batch:
        return load_cifar(self.root, split, self.count)


class CIFAR100(CIFAR10):
    r"""CIFAR-100 data module.

    Images have the shape :math:`(3, S, S)`, with :math:`S` = `size`.

    Arguments:
        kwargs: The arguments of :class:`OriginalImages`.
    """

    command = "cifar100"
    files = (
        "cifar-100-python.tar.gz ('CIFAR-100 python version' on the CIFAR page), "
        "packed or unpacked"
    )
    dataset = datasets.CIFAR100
    count = 100
