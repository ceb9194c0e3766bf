r"""The networks of the package that fit the arguments of each method.

A network fits if the method accepts it in the check of its first batch, for points, images or
text, with `out_features` and sizes that match. The tests try all networks in all arguments, and
compare.
"""

from __future__ import annotations

_DECODERS = ("CoulombGenerator", "DCGANGenerator", "GGCNGenerator", "MLP", "ResNetGenerator")
_GENERATORS = (*_DECODERS, "ResidualTextGenerator")
_IMAGE_POTENTIALS = (
    "ConvDescriptor",
    "DCGANDiscriminator(norm='none')",
    "FRAME",
    "GGCNDescriptor",
    "ResNetDescriptor",
    "WideResNet",
)
# Potentials whose value at a sample depends on this sample alone.
_POTENTIALS = (*_IMAGE_POTENTIALS, "FourierMLP", "MLP", "ResidualTextDiscriminator")
_DISCRIMINATORS = (
    "ConvDescriptor",
    "CoulombDiscriminator",
    "DCGANDiscriminator",
    "FRAME",
    "FourierMLP",
    "GGCNDescriptor",
    "MLP",
    "ResNetDescriptor",
    "ResidualTextDiscriminator",
    "WideResNet",
)
_AUTOENCODERS = ("Autoencoder", "MLP", "ResNetAutoencoder")

FITTING_NETWORKS: dict[str, dict[str, tuple[str, ...]]] = {
    "EIEGGenerator": {"generator": _GENERATORS},
    "FieldGenerator": {"generator": _GENERATORS},
    "GCN": {"descriptor": _POTENTIALS},
    "GGCN": {"generator": _GENERATORS, "descriptor": _POTENTIALS},
    "InpaintingGGCN": {"generator": ("ResNetAutoencoder",), "descriptor": _IMAGE_POTENTIALS},
    "MultigridGCN": {"descriptor": ("MultigridDescriptors",)},
    "NGramGenerator": {"generator": ("ResidualTextGenerator",)},
    "ScatteringGAN": {"generator": _GENERATORS, "tracker": _AUTOENCODERS},
    "VAPO": {"descriptor": _POTENTIALS},
    "CoulombGAN": {"generator": _GENERATORS, "discriminator": _DISCRIMINATORS},
    "EIEGGAN": {
        "generator": _GENERATORS,
        "discriminator": ("DCGANDiscriminator", "ResidualTextDiscriminator", *_AUTOENCODERS),
    },
    "BEGAN": {"generator": _GENERATORS, "discriminator": _AUTOENCODERS},
    "GAN": {"generator": _GENERATORS, "discriminator": _DISCRIMINATORS},
    "MMDGAN": {
        "generator": _GENERATORS,
        "discriminator": (*_DISCRIMINATORS, "Autoencoder", "ResNetAutoencoder"),
        "decoder": _DECODERS,
    },
    "WGAN": {"generator": _GENERATORS, "discriminator": _DISCRIMINATORS},
    "WGANGP": {"generator": _GENERATORS, "discriminator": _POTENTIALS},
}
