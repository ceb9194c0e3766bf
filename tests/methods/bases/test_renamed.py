r"""Tests for the energy_gans.methods.bases.renamed module: former names of members."""

import warnings

import pytest
import torch
from torch import Tensor, nn

from energy_gans.methods import CoulombGAN, GenerativeModule

from ..harness import model


class Present(GenerativeModule):
    r"""A user's method, with the present name of the network."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.network, self.other = nn.Linear(2, 2), nn.Linear(2, 2)

    def generate(
        self, network: nn.Module, n: int, random: torch.Generator, label: Tensor | None
    ) -> Tensor:
        return network(torch.randn(n, 2, generator=random))

    @property
    def ema_source(self) -> nn.Module:
        return self.network


def override(base: type, read: object) -> type:
    r"""Returns a user's subclass that overrides the network by its former name."""
    with pytest.warns(DeprecationWarning, match="Former overrides 'sampled_network', which is na"):
        return type("Former", (base,), {"sampled_network": property(read)})


def test_an_override_by_the_former_name_is_sampled_and_averaged() -> None:
    former = override(Present, lambda self: self.other)()
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    samples = former.sample(3, random=torch.Generator().manual_seed(0))
    assert torch.equal(samples, former.other(x))
    assert former.ema_source is former.sampling_network is former.other
    assert torch.equal(former.average(0.5).module.weight, former.other.weight)


def test_a_subclass_of_a_method_with_the_former_name_keeps_its_network() -> None:
    parent = override(Present, lambda self: self.other)
    with warnings.catch_warnings():
        # The parent has warned.
        warnings.simplefilter("error", DeprecationWarning)
        child = type("Child", (parent,), {})()
        newest = type("Newest", (parent,), {"ema_source": property(lambda self: self.network)})()
    assert child.ema_source is child.other
    assert newest.ema_source is newest.network


def test_an_override_of_a_mixin_counts() -> None:
    mixin = type("Mixin", (), {"sampled_network": property(lambda self: self.other)})
    with pytest.warns(DeprecationWarning, match="Mixin overrides 'sampled_network'"):
        former = type("Former", (mixin, Present), {})()
    assert former.ema_source is former.other


def test_an_override_may_read_the_former_name_of_its_base() -> None:
    def read(self: GenerativeModule) -> nn.Module:
        return nn.Sequential(super(former, self).sampled_network, self.discriminator)

    former = override(CoulombGAN, read)
    gan = model(former)
    with pytest.warns(DeprecationWarning, match="'sampled_network' is named 'ema_source' now"):
        network = gan.ema_source
    assert network[0] is gan.generator


@pytest.mark.parametrize(
    "old, new", [("sampled_network", "ema_source"), ("shown_network", "sampling_network")]
)
@pytest.mark.parametrize("method", [CoulombGAN, Present])
def test_reading_a_former_name_warns_and_gives_the_network(
    method: type, old: str, new: str
) -> None:
    made = Present() if method is Present else model(method)
    with pytest.warns(DeprecationWarning, match=f"'{old}' is named '{new}' now"):
        assert getattr(made, old) is getattr(made, new)


def test_the_warning_is_of_the_line_that_reads_the_former_name() -> None:
    with pytest.warns(DeprecationWarning) as said:
        Present().sampled_network  # noqa: B018
    assert said[0].filename == __file__
