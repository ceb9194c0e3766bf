r"""Tests for the energy_gans.methods.inpainting module."""

from functools import partial

import pytest
import torch
from lightning.pytorch import seed_everything
from torch import Tensor, nn

from energy_gans.data import EmbeddedDigits
from energy_gans.functional import fold, hole_masks
from energy_gans.methods import Chains, InpaintingGGCN

from .harness import fit, noises, sgd, stepped
from .test_gcn import LR, slope

CHAINS = Chains(steps=1, step_size=0.3, reference_std=0.8)
LR_G, KINDS = 0.03, ("square", "spot", "both")


def model(**kwargs: object) -> InpaintingGGCN:
    r"""Returns an inpainting GGCN with the same initial weights every time."""
    seed_everything(7, verbose=False)
    defaults = {
        "descriptor": nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(144, 1)
        ),
        "generator": nn.Conv2d(1, 1, 5, padding=2),
        "shape": [1, 8, 8],
        "chains": CHAINS,
        "fidelity": 0.3,
        "examples": 20,
        "descriptor_optimizer": sgd(LR),
        "generator_optimizer": sgd(LR_G),
    }
    return InpaintingGGCN(**(defaults | kwargs))


def trained_on(ggcn: InpaintingGGCN, steps: int) -> list[Tensor]:
    r"""Trains, and returns the real images of all steps."""
    seen: list[Tensor] = []
    update = ggcn.update
    ggcn.update = lambda y, label: (seen.append(y), update(y, label))[1]
    fit(ggcn, steps, data=partial(EmbeddedDigits, "8x8", size=8))
    return seen


def masks(random: torch.Generator) -> Tensor:
    return hole_masks(KINDS, (8, 8), None, 0.25, random, 8)


def test_training_is_a_plain_loop() -> None:
    # The descriptor takes two minibatches of 8, the generator the first one.
    trained, looped = model(gamma=0.4, discriminator_steps=2), model()
    network, generator = looped.descriptor, looped.generator

    def log_density(x: Tensor) -> Tensor:
        return network(x)[:, 0] - x.square().flatten(1).sum(1) / (2 * 0.8**2)

    def filled(y: Tensor, m: Tensor) -> Tensor:
        return m * y + (1 - m) * generator(m * y)

    for i, (y, random) in enumerate(zip(trained_on(trained, 3), noises(looped, 3), strict=True)):
        interpolation = torch.Generator().manual_seed(fold(looped.seed, "interpolation", i))
        for j, part in enumerate(y.chunk(2)):
            m = masks(random)
            before = filled(part, m).detach()
            if j == 0:
                x = filled(part, m)
                error = (x - part).square().flatten(1).sum(1)
                stepped(generator, (0.3 * error - log_density(x)).mean(), LR_G)
            x = filled(part, m).detach()
            zeta = torch.rand((), generator=interpolation).item()
            before, after = (
                slope(network, a, create_graph=True).square().flatten(1).sum(1).mean()
                for a in (before if j == 0 else x, x)
            )
            cost = 0.4 / 2 * (zeta * before + (1 - zeta) * after)
            stepped(network, network(x).mean() - network(part).mean() + cost, LR)
    initial = model()
    for part in ("descriptor", "generator"):
        for name, p in trained.get_submodule(part).named_parameters():
            other = looped.get_submodule(part).get_parameter(name)
            torch.testing.assert_close(p, other, rtol=1e-4, atol=1e-6)
    assert (trained.generator.weight - initial.generator.weight).abs().max() > 1e-4


def test_unknown_pixels_are_not_looked_at() -> None:
    ggcn = model()
    y, m = torch.rand(8, 1, 8, 8), masks(torch.Generator().manual_seed(0))
    x = ggcn.fill(y, m)
    assert torch.equal(x[m == 1], y[m == 1])
    assert torch.equal(x, ggcn.fill(torch.where(m == 1, y, torch.nan), m))
    filled = m * y + (1 - m) * ggcn.generator(m * y).detach()
    torch.testing.assert_close(x, filled.clamp(-1, 1))


def test_the_name_of_earlier_versions_still_works() -> None:
    ggcn = model()
    y, m = torch.rand(8, 1, 8, 8), masks(torch.Generator().manual_seed(0))
    with pytest.warns(DeprecationWarning, match="complete.* is fill"):
        assert torch.equal(ggcn.complete(y, m), ggcn.fill(y, m))


def test_samples_are_completions_of_images_that_were_seen() -> None:
    ggcn = model()
    (y,) = trained_on(ggcn, 1)
    x = ggcn.sample(40, random=torch.Generator().manual_seed(0))
    m = ggcn.examples.samples[:16, 1:]
    assert torch.equal(ggcn.examples.samples[:16, :1], m * y)
    candidates = ggcn.fill(y, m)
    distances = (x[:, None] - candidates).abs().flatten(2).amax(2)
    assert distances.amin(1).max() < 1e-5
    # The moving average fills holes, too.
    ggcn.average(0.5)
    known = ggcn.fill(y, m)
    with torch.no_grad():
        ggcn.generator.weight.zero_()
    assert torch.equal(ggcn.fill(y, m), known)


@pytest.mark.parametrize(
    "wrong, told",
    [
        ({"fidelity": -1.0}, "'fidelity' should not be negative, got -1.0"),
        ({"masks": ["circle"]}, r"'kinds' should be some of .*got \['circle'\]"),
        ({"square": 8}, "'width' should be from 1 to 7"),
        ({"spots": 1.0}, "'share' should be between 0 and 1, got 1.0"),
        ({"shape": [2]}, "takes images without labels"),
        ({"classes": 3}, "'classes' = 3"),
        ({"accumulate": 2}, "'accumulate' = 2"),
        ({"examples": 0}, "'examples' should be"),
    ],
)
def test_arguments_out_of_range_are_refused(wrong: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        model(**wrong)


def test_a_generator_of_other_images_is_refused() -> None:
    with pytest.raises(ValueError, match="'model.init_args.generator' should map .* to itself"):
        trained_on(model(generator=nn.Conv2d(1, 1, 3)), 1)
