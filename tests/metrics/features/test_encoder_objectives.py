r"""Tests for the energy_gans.metrics.features.encoder_objectives module."""

import pytest
import torch
from torch import nn

from energy_gans.functional import nt_xent_loss
from energy_gans.metrics.features.encoder_objectives import ContrastiveObjective, MaskedObjective
from energy_gans.metrics.features.resnet import PreActResNet


@pytest.fixture
def contrastive() -> ContrastiveObjective:
    return ContrastiveObjective(PreActResNet(3, None, [4, 6]), 16, 0.3).eval()


def test_views_are_a_function_of_the_seed(contrastive: ContrastiveObjective) -> None:
    y = torch.randint(256, (40, 3, 16, 16), dtype=torch.uint8)
    before = torch.get_rng_state()
    u, v = contrastive.views(y, 5).chunk(2)
    assert torch.equal(torch.get_rng_state(), before)
    assert (u.dtype, u.shape) == (torch.uint8, y.shape)
    assert torch.equal(contrastive.views(y, 5), torch.cat([u, v]))
    assert not torch.equal(contrastive.views(y, 6), torch.cat([u, v]))
    assert not torch.equal(u, v)


def test_views_of_an_image_show_that_image(contrastive: ContrastiveObjective) -> None:
    y = torch.arange(0, 240, 6, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 16, 16)
    contrastive.view.transforms = contrastive.view.transforms[:2]
    u, v = contrastive.views(y, 0).chunk(2)
    assert torch.equal(u, y)
    assert torch.equal(v, y)


def test_the_contrastive_objective_compares_embeddings_of_views(
    contrastive: ContrastiveObjective,
) -> None:
    y = torch.randint(256, (20, 3, 16, 16), dtype=torch.uint8)
    w = contrastive.views(y, 3).float()
    u, v = (contrastive.projection(contrastive.network.features(one)) for one in w.chunk(2))
    assert torch.allclose(contrastive(y, 3), nt_xent_loss(u, v, 0.3), rtol=1e-4)


@pytest.mark.parametrize("size", [28, 32])
def test_the_masked_objective_sees_no_masked_pixel(size: int) -> None:
    objective = MaskedObjective(PreActResNet(1, None, [4, 6, 8]), size, 0.6).eval()
    seen, y = [], torch.randint(256, (5, 1, size, size), dtype=torch.uint8)
    maps = objective.network.maps
    objective.network.maps = lambda x: maps(seen.append(x) or x)
    objective(y, 2)
    (x,) = seen
    hidden = x == 127.5
    share = round(0.6 * (size // 4) ** 2) * 16 / size**2
    assert hidden.float().mean().item() == pytest.approx(share)
    assert torch.equal(x[~hidden], y.float()[~hidden])
    # Half of the pixels are wrong by one: the decoder says 0 for -1 and 1.
    nn.init.zeros_(objective.decoder[-1].weight)
    nn.init.zeros_(objective.decoder[-1].bias)
    black_or_white = torch.where(y > 127, 255, 0).byte()
    assert objective(black_or_white, 2).item() == pytest.approx(1)


@pytest.mark.parametrize(
    "cls, setting, share", [(ContrastiveObjective, 0.2, 0.93), (MaskedObjective, 0.6, 0.6)]
)
def test_an_objective_is_learned(cls: type[nn.Module], setting: float, share: float) -> None:
    torch.manual_seed(0)
    objective = cls(PreActResNet(1, None, [8, 16]), 16, setting)
    y = nn.functional.interpolate(torch.rand(64, 1, 3, 3) * 255, 16, mode="bilinear").byte()
    optimizer = torch.optim.SGD(objective.parameters(), 0.1, momentum=0.9)
    losses = []
    for step in range(40):
        losses.append(objective(y, step))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    first, last = (torch.stack(part).mean() for part in (losses[:5], losses[-5:]))
    assert last < first * share
