r"""What encoders without labels learn: to tell images apart, or to fill in their patches.

**Contrastive** (SimCLR): two views of an image, transformed at random, get embeddings near each
other and far from those of other images (:func:`nt_xent_loss`). The views are crops, flips, and
changes of brightness, contrast and colours. The embedding is a projection of the features.
torchvision draws one transform for a whole batch, so each transform is drawn for a few images.

**Masked autoencoder**: patches of an image are made grey, and a small decoder reconstructs them
from the encoder's last map (:func:`hole_error`).

References:
    A Simple Framework for Contrastive Learning of Visual Representations (Chen et al., 2020),
    https://arxiv.org/abs/2002.05709
    Masked Autoencoders Are Scalable Vision Learners (He et al., 2022),
    https://arxiv.org/abs/2111.06377
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from ...functional import hole_error, nt_xent_loss, patch_mask
from .resnet import PreActResNet

# The number of images that share a transform.
_GROUP = 16
# The number of features of an embedding.
_EMBEDDING = 64
# The width of a patch, in pixels, and the value of its pixels: the middle of the range.
_PATCH, _GREY = 4, 127.5


class ContrastiveObjective(nn.Module):
    r"""The contrastive loss of a network, and the projection to embeddings.

    Arguments:
        network: The network.
        size: The width and height of an image, in pixels.
        temperature: The temperature :math:`\tau` of the loss.
    """

    def __init__(self, network: PreActResNet, size: int, temperature: float) -> None:
        super().__init__()
        self.network, self.temperature = network, temperature
        stem, d = network.body[0], network.num_features
        self.projection = nn.Sequential(
            nn.Linear(d, d), nn.BatchNorm1d(d), nn.ReLU(), nn.Linear(d, _EMBEDDING)
        )
        colours = [v2.ColorJitter(0.4, 0.4)]
        if stem.in_channels == 3:
            colours = [v2.ColorJitter(0.4, 0.4, 0.4, 0.1), v2.RandomGrayscale(0.2)]
        self.view = v2.Compose(
            [
                v2.RandomResizedCrop(size, scale=(0.25, 1.0), antialias=True),
                v2.RandomHorizontalFlip(),
                v2.RandomApply(colours, p=0.8),
            ]
        )

    def views(self, y: Tensor, seed: int) -> Tensor:
        r"""Returns the first and then the second views of images, with shape :math:`(2 N, *)`.

        Arguments:
            y: The images as uint8, with shape :math:`(N, C, H, W)`.
            seed: The seed of the transforms.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return torch.cat([self.view(part) for _ in range(2) for part in y.split(_GROUP)])

    def forward(self, y: Tensor, seed: int) -> Tensor:
        r"""Returns the loss of images, a scalar; arguments as for :meth:`views`."""
        w = self.projection(self.network.features(self.views(y, seed).float()))
        return nt_xent_loss(*w.chunk(2), self.temperature)


class MaskedObjective(nn.Module):
    r"""The error of a network as the encoder of a masked autoencoder, and the decoder.

    Arguments:
        network: The network.
        size: The width and height of an image, in pixels.
        masked: The share of patches that are masked.
    """

    def __init__(self, network: PreActResNet, size: int, masked: float) -> None:
        super().__init__()
        self.network, self.size, self.masked = network, size, masked
        layers: list[nn.Module] = []
        for a, b in pairwise(network.widths[::-1]):
            layers += [nn.ConvTranspose2d(a, b, 4, 2, 1), nn.BatchNorm2d(b), nn.ReLU()]
        last = nn.ConvTranspose2d(network.widths[0], network.body[0].in_channels, 4, 2, 1)
        self.decoder = nn.Sequential(*layers, last).to(memory_format=torch.channels_last)
        # A share that masks no patch, or all, is refused before anything is trained.
        patch_mask((size, size), _PATCH, masked, torch.Generator())

    def forward(self, y: Tensor, seed: int) -> Tensor:
        r"""Returns the error of images in the masked patches, a scalar.

        Arguments:
            y: The images as uint8, with shape :math:`(N, C, H, W)`.
            seed: The seed of the masks.
        """
        random, shape = torch.Generator().manual_seed(seed), (self.size, self.size)
        known = patch_mask(shape, _PATCH, self.masked, random, len(y)).to(y.device)
        x = self.decoder(self.network.maps(torch.where(known > 0, y.float(), _GREY)))
        return hole_error(x[..., : self.size, : self.size], y / 127.5 - 1, known)


# The objectives by kind, and their settings with defaults.
OBJECTIVES: dict[str, tuple[type[nn.Module], str, float]] = {
    "contrastive": (ContrastiveObjective, "temperature", 0.2),
    "masked_autoencoder": (MaskedObjective, "masked", 0.6),
}
