r"""Tests for the energy_gans.networks.residual_text module."""

import pytest
import torch
from torch import nn

from energy_gans.networks import ResidualTextDiscriminator, ResidualTextGenerator

every_norm = pytest.mark.parametrize("norm", ["none", "batch"])
SMALL = {"symbols": 7, "length": 12, "width": 6, "blocks": 2}
# A block of the papers: two convolutions of five places from 512 to 512 maps, with biases.
BLOCK = 2 * (512 * 512 * 5 + 512)


def test_number_of_parameters_of_the_papers() -> None:
    with torch.device("meta"):
        generator = ResidualTextGenerator(128, 96, 32)
        discriminator = ResidualTextDiscriminator(96, 32)
    counts = [sum(p.numel() for p in n.parameters()) for n in (generator, discriminator)]
    assert counts[0] == 128 * 512 * 32 + 512 * 32 + 5 * BLOCK + 512 * 96 + 96
    assert counts[1] == 96 * 512 + 512 + 5 * BLOCK + 512 * 32 + 1


@every_norm
def test_generated_columns_are_distributions(norm: str) -> None:
    x = ResidualTextGenerator(3, **SMALL, norm=norm)(torch.randn(4, 3))
    assert x.shape == (4, 7, 12)
    assert x.min() > 0
    torch.testing.assert_close(x.sum(1), torch.ones(4, 12))


@every_norm
def test_shape_of_outputs(norm: str) -> None:
    for n in (1, 3):
        network = ResidualTextDiscriminator(**SMALL, norm=norm, out_features=n)
        assert network(torch.rand(4, 7, 12)).shape == (4, n)


def test_blocks_add_three_tenths_of_a_residual() -> None:
    block = ResidualTextGenerator(3, **SMALL)[2]
    h, residual = torch.randn(2, 6, 12), block.residual
    expected = h + 0.3 * residual[3](residual[1](h.relu()).relu())
    torch.testing.assert_close(block(h), expected)


def test_a_character_reaches_all_places_within_the_blocks() -> None:
    # Two convolutions of five places a block reach four places to each side.
    body = nn.Sequential(*[*ResidualTextDiscriminator(**SMALL)][:3])
    for place in (0, 6):
        x = torch.rand(1, 7, 12, requires_grad=True)
        body(x)[0, :, place].sum().backward()
        reached = (x.grad != 0).any(1)[0].nonzero().flatten().tolist()
        assert reached == [i for i in range(12) if abs(i - place) <= 8]


def test_batch_norm_has_a_shift_and_no_scale() -> None:
    network = ResidualTextGenerator(3, **SMALL, norm="batch")
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d)]
    assert len(norms) == 1 + 2 * 2
    assert all(m.bias.requires_grad and not m.weight.requires_grad for m in norms)
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv1d)]
    assert [m.bias is None for m in convolutions] == [True] * 4 + [False]
    assert not any(
        isinstance(m, nn.BatchNorm1d) for m in ResidualTextGenerator(3, **SMALL).modules()
    )


@pytest.mark.parametrize("name", ["symbols", "length", "width", "blocks"])
def test_other_sizes_are_refused(name: str) -> None:
    for network in (ResidualTextGenerator, ResidualTextDiscriminator):
        with pytest.raises(ValueError, match=f"'{name}' should be .* got 0"):
            network(**SMALL | {name: 0})


@pytest.mark.parametrize("norm", ["layer", "", None])
def test_unknown_norms_are_refused(norm: str | None) -> None:
    for network in (ResidualTextGenerator, ResidualTextDiscriminator):
        with pytest.raises(ValueError, match="'norm' should be 'none' or 'batch', got"):
            network(**SMALL, norm=norm)
