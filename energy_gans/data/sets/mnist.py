r"""MNIST and FashionMNIST: 60,000 and 10,000 grey images of 28x28 pixels in ten classes.

The EIEG GAN paper resizes all images to the size of its networks: `size: 32` or `64` with
`resize: true`. Without `resize`, a black margin fills the size and the pixels stay unchanged.

References:
    Elastic Interaction Energy-Based Generative Model: Approximation in Feature Space (Yin et al.,
    2023), https://arxiv.org/abs/2303.10553
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torchvision

from ..base import Batch
from ..images import ImageDataModule, pad_to, resize_to
from ..prepared.sources.mnist import load_mnist


class MNIST(ImageDataModule):
    r"""MNIST data module.

    Images have the shape :math:`(1, S, S)`, with :math:`S` = `size`.

    Arguments:
        root: The folder that holds `MNIST/raw/*-ubyte` or `*-ubyte.gz`, as torchvision writes
            them.
        size: The width and height of the images, in pixels. Larger sizes than 28 add a black
            margin.
        download: Whether torchvision may download missing files.
        resize: Whether images are resized to `size`, antialiased, instead of padded.
        kwargs: The arguments of :class:`ImageDataModule`.

    Raises:
        FileNotFoundError: If files are missing and `download` is false.
        ValueError: If a file is truncated or damaged, or, without `resize`, `size` is odd or
            smaller than 28.
    """

    dataset = torchvision.datasets.MNIST

    def __init__(
        self,
        root: str = "data",
        size: int = 28,
        download: bool = False,
        resize: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.root, self.size, self.download, self.resize = Path(root), size, download, resize

    @property
    def shape(self) -> tuple[int, ...]:
        return (1, self.size, self.size)

    @property
    def classes(self) -> list[str]:
        return list(self.dataset.classes)

    @property
    def folder(self) -> Path:
        r"""The folder of the set's files, within `root`."""
        return self.root / self.dataset.__name__

    def prepare_data(self) -> None:
        if not self.download:
            return
        try:
            for split in self.splits:
                load_mnist(self.folder, split)
        except FileNotFoundError:
            self.dataset(self.root, download=True)

    def load(self, split: str) -> Batch:
        try:
            images, labels = load_mnist(self.folder, split)
        except FileNotFoundError as error:
            raise FileNotFoundError(self.missing_message()) from error
        fit = resize_to if self.resize else pad_to
        return fit(images[:, None], self.size), labels

    def missing_message(self) -> str:
        r"""Returns the error message for a `root` that lacks the files."""
        name = self.dataset.__name__
        return (
            f"{name} is not in 'data.init_args.root' = {str(self.root)!r}: "
            f"{self.folder / 'raw'} should hold train-images-idx3-ubyte, "
            "train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte. "
            "Put them there, or set 'data.init_args.download' to true."
        )


class FashionMNIST(MNIST):
    r"""FashionMNIST data module; `root` holds `FashionMNIST/raw/*-ubyte`.

    Images have the shape :math:`(1, S, S)`, with :math:`S` = `size`.
    """

    dataset = torchvision.datasets.FashionMNIST
