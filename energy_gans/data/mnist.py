r"""MNIST and FashionMNIST: 60,000 and 10,000 grey images of 28x28 pixels in ten classes."""

from __future__ import annotations

from pathlib import Path

import torchvision

from .base import Batch, TensorDataModule, pad_to


class MNIST(TensorDataModule):
    r"""Creates the MNIST data module.

    Arguments:
        root: The folder that holds `MNIST/raw/*-ubyte`, where torchvision keeps it.
        size: The width and height of the images, in pixels: 28, or more with a black margin.
        batch_size: The size of the global batch of a training step.
        download: Whether torchvision may download the files if they are missing.

    Raises:
        FileNotFoundError: If files are missing and `download` is false.
        ValueError: If `size` is smaller than 28 or odd.
    """

    source = torchvision.datasets.MNIST

    def __init__(
        self, root: str = "data", size: int = 28, batch_size: int = 128, download: bool = False
    ) -> None:
        super().__init__(batch_size)
        self.root, self.size, self.download = Path(root), size, download

    @property
    def shape(self) -> tuple[int, ...]:
        return (1, self.size, self.size)

    def prepare_data(self) -> None:
        if self.download:
            self.source(self.root, download=True)

    def load(self, split: str) -> Batch:
        try:
            data = self.source(self.root, train=split == "train")
        except RuntimeError as error:
            name = self.source.__name__
            raise FileNotFoundError(
                f"{name} is not in 'data.init_args.root' = {str(self.root)!r}: "
                f"{self.root / name / 'raw'} should hold train-images-idx3-ubyte, "
                "train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte. "
                "Put them there, or set 'data.init_args.download' to true."
            ) from error
        return pad_to(data.data[:, None], self.size), data.targets


class FashionMNIST(MNIST):
    r"""Creates the FashionMNIST data module; `root` holds `FashionMNIST/raw/*-ubyte`."""

    source = torchvision.datasets.FashionMNIST
