r"""Which networks of the package fit which arguments of the methods, found out by trying all.

A network fits if the check of the first batch, which every training begins with, accepts it.
"""

import warnings
from functools import cache
from typing import Any

import torch
from torch import nn

from energy_gans import methods
from energy_gans.methods import baselines
from energy_gans.networks import (
    FRAME,
    MLP,
    Autoencoder,
    ConvDescriptor,
    CoulombDiscriminator,
    CoulombGenerator,
    DCGANDiscriminator,
    DCGANGenerator,
    FourierMLP,
    GaborBank,
    GGCNDescriptor,
    GGCNGenerator,
    MultigridDescriptors,
    ResidualTextDiscriminator,
    ResidualTextGenerator,
    ResNetAutoencoder,
    ResNetDescriptor,
    ResNetGenerator,
    WideResNet,
)
from energy_gans.storage.argument_types import argument_types

SLOTS = ("generator", "discriminator", "descriptor", "decoder", "tracker")
SHAPES = {"points": (2,), "images": (1, 16, 16), "text": (5, 8)}
IMAGE = {"channels": 1, "size": 16}
TEXT = {"symbols": 5, "length": 8, "width": 4, "blocks": 1}


def small_networks() -> list[tuple[str, str, nn.Module]]:
    r"""Returns the networks in small sizes, for points, images or text, from 3 or 4 latents.

    The banks of filters are parts of networks, and are left out.
    """
    critics = (
        (
            f"DCGANDiscriminator{about}",
            DCGANDiscriminator(**IMAGE, width=2, out_features=n, **norm),
        )
        for about, norm in (("", {}), ("(norm='none')", {"norm": "none"}))
        for n in (1, 4)
    )
    points = (
        *(MLP(n, m, [4]) for n, m in ((3, 2), (2, 1), (2, 2), (2, 4), (4, 2))),
        FourierMLP(hidden_features=[4], frequencies=4),
        Autoencoder(MLP(2, 1, [4]), MLP(1, 2, [4])),
    )
    images = (
        FRAME(GaborBank(channels=1, size=5)),
        ConvDescriptor(**IMAGE, widths=[4], kernels=[3], strides=[2], hidden=None),
        CoulombDiscriminator(**IMAGE, width=2),
        CoulombGenerator(**IMAGE, latent_dim=4, width=4),
        DCGANGenerator(**IMAGE, latent_dim=4, width=2),
        GGCNDescriptor(**IMAGE, width=4),
        GGCNGenerator(**IMAGE, latent_dim=4, width=8),
        MultigridDescriptors(channels=1, grids=[1, 4, 16], width=2),
        ResNetAutoencoder(**IMAGE, width=2),
        ResNetDescriptor(**IMAGE, width=2),
        ResNetGenerator(**IMAGE, latent_dim=4, width=2),
        WideResNet(**IMAGE, width=4, multipliers=[1], blocks=1),
    )
    return [
        *((type(one).__name__, "points", one) for one in points),
        *((type(one).__name__, "images", one) for one in images),
        *((name, "images", one) for name, one in critics),
        ("ResidualTextGenerator", "text", ResidualTextGenerator(3, **TEXT)),
        *(
            (
                "ResidualTextDiscriminator",
                "text",
                ResidualTextDiscriminator(**TEXT, out_features=n),
            )
            for n in (1, 4)
        ),
    ]


@cache
def others(name: str, kind: str) -> dict[str, Any]:
    r"""Returns arguments of a method for a kind of samples, with networks that fit."""
    image, features = kind == "images", name in ("EIEGGAN", "MMDGAN")
    if image:
        generator = DCGANGenerator(**IMAGE, latent_dim=4, width=2)
        outputs = 4 if features else 1
        potential = DCGANDiscriminator(**IMAGE, width=2, norm="none", out_features=outputs)
    elif kind == "text":
        generator = ResidualTextGenerator(3, **TEXT)
        potential = ResidualTextDiscriminator(**TEXT, out_features=4 if features else 1)
    else:
        generator, potential = MLP(3, 2, [4]), MLP(2, 4 if features else 1, [4])
    # No network of the package is an autoencoder of text.
    text = nn.Sequential(nn.Flatten(), nn.Linear(40, 40), nn.Unflatten(1, SHAPES["text"]))
    autoencoders = {"images": ResNetAutoencoder(**IMAGE, width=2), "points": MLP(2, 2, [4])}
    autoencoder = autoencoders.get(kind, text)
    if name == "BEGAN":
        potential = autoencoder
    if name == "InpaintingGGCN":
        generator = ResNetAutoencoder(**IMAGE, width=2)
    if name == "MultigridGCN":
        potential = MultigridDescriptors(channels=1, grids=[1, 4, 16], width=2)
    return {
        "generator": generator,
        "discriminator": potential,
        "descriptor": potential,
        "tracker": autoencoder,
        "latent_dim": 4 if image else 3,
        "shape": SHAPES[kind],
        "chains": methods.Chains(steps=1, bound=1.0),
    }


def accepts(name: str, slot: str, kind: str, network: nn.Module) -> bool:
    r"""Returns whether a method takes a network for an argument, for a kind of samples."""
    cls = getattr(methods, name, None) or getattr(baselines, name)
    known = argument_types(cls)
    given = others(name, kind) | {slot: network}
    try:
        model = cls(**{key: value for key, value in given.items() if key in known})
        model.check_batch(torch.rand(4, *SHAPES[kind]))
    except (ValueError, RuntimeError, TypeError, IndexError):
        return False
    return True


def fitting_networks() -> dict[str, dict[str, list[str]]]:
    r"""Returns the names of the networks that fit, by method and argument."""
    found: dict[str, dict[str, list[str]]] = {}
    instances = small_networks()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in (*methods.__all__, *baselines.__all__):
            cls = getattr(methods, name, None) or getattr(baselines, name)
            slots = [slot for slot in SLOTS if slot in _network_arguments(cls)]
            for slot in slots:
                fit = {about for about, *one in instances if accepts(name, slot, *one)}
                # A network that fits as it is needs no special argument.
                fit -= {about for about in fit if about.partition("(")[0] in fit - {about}}
                found.setdefault(name, {})[slot] = sorted(fit)
    return found


def _network_arguments(cls: object) -> dict[str, Any]:
    r"""Returns the arguments of a method; none of anything else."""
    is_method = isinstance(cls, type) and issubclass(cls, methods.GenerativeModule)
    return argument_types(cls) if is_method else {}
