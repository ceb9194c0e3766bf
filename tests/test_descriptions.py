r"""Tests for the energy_gans.descriptions module."""

import copy
import pickle
from collections import OrderedDict
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import spectral_norm
from torch.nn.utils.parametrizations import weight_norm

from energy_gans import networks
from energy_gans.descriptions import Described, class_path, describe
from energy_gans.methods import Chains
from energy_gans.networks import MLP, Autoencoder, FourierMLP
from energy_gans.storage import Rebuilder

LAYERS = [
    nn.Linear(2, 3, bias=False),
    nn.LeakyReLU(0.3),
    nn.Conv2d(3, 4, (3, 5), padding=(1, 2), stride=2),
    nn.ConvTranspose2d(4, 3, 4, 2, 1),
    nn.BatchNorm2d(3, momentum=0.3),
    nn.GroupNorm(3, 6, affine=False),
    nn.LayerNorm([3, 4]),
    nn.Flatten(),
    nn.Upsample(scale_factor=2),
    nn.Dropout(0.2),
    nn.Embedding(5, 2),
    nn.AvgPool2d(2),
    nn.GELU("tanh"),
]


class Own(nn.Module):
    pass


def test_networks_of_the_package_are_made_again_by_their_description() -> None:
    net = Autoencoder(MLP(2, 3, [4], nn.SiLU), nn.Sequential(nn.Linear(3, 2), nn.Tanh()))
    again = Rebuilder().instance(net.description, nn.Module, "net")
    assert repr(again) == repr(net) and again.description == net.description
    net = FourierMLP(2, hidden_features=(4, 5), activation=partial(nn.Softplus, beta=2.0))
    again = Rebuilder().instance(describe(net), nn.Module, "net")
    assert repr(again) == repr(net)


def test_all_networks_of_the_package_are_described() -> None:
    for name in networks.__all__:
        assert issubclass(getattr(networks, name), Described), name


def test_a_description_outlives_copies_and_pickles() -> None:
    net = MLP(2, 1, [3], nn.SiLU)
    expected = {
        "class_path": "energy_gans.networks.MLP",
        "init_args": {
            "in_features": 2,
            "out_features": 1,
            "hidden_features": [3],
            "activation": {"class_path": "torch.nn.SiLU"},
        },
    }
    for one in (net, copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert one.description == expected


def test_layers_of_torch_are_made_again_by_their_description() -> None:
    net = nn.Sequential(*LAYERS, nn.Sequential(nn.ReLU()))
    description = describe(net)
    again = Rebuilder().instance(description, nn.Module, "net")
    assert repr(again) == repr(net)
    assert again.state_dict().keys() == net.state_dict().keys()


@pytest.mark.parametrize(
    "value",
    [
        Own(),
        nn.Sequential(nn.Linear(2, 2), Own()),
        nn.Sequential(OrderedDict(first=nn.Linear(2, 2))),
        spectral_norm(nn.Linear(2, 2)),
        weight_norm(nn.Linear(2, 2)),
        nn.MultiheadAttention(4, 2),
        nn.Unflatten(1, (3, 2, 2)),
        MLP(2, 1, [3], lambda: nn.ReLU()),
        lambda x: x,
        partial(nn.ReLU, True),
        torch.zeros(2),
        np.zeros(2),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_known_is_not_described(value: object) -> None:
    with pytest.raises(TypeError, match="The construction of a .* is not known"):
        describe(value)


def test_wrong_arguments_are_the_constructors_to_refuse() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'width'"):
        MLP(2, 1, width=3)


def test_plain_values_are_plain() -> None:
    values = {
        "a": (1, 2.5, None, "x"),
        "b": Chains(steps=3, reference_std=1.0),
        "c": np.float64(2),
    }
    described = describe(values)
    assert described["a"] == [1, 2.5, None, "x"]
    assert described["b"]["steps"] == 3 and described["b"]["bound"] is None
    assert type(described["c"]) is float and type(describe(True)) is bool


def test_the_path_of_a_class_is_that_of_its_package() -> None:
    assert class_path(torch.optim.Adam) == "torch.optim.Adam"
    assert class_path(Own) == f"{__name__}.Own"
