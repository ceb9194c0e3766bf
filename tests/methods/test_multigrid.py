r"""Tests for the energy_gans.methods.multigrid module."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor, nn

from energy_gans.data import EmbeddedDigits
from energy_gans.functional import downscale, fold, upscale
from energy_gans.methods import Chains, MultigridGCN
from energy_gans.networks import MultigridDescriptors

from .harness import fit, noises, sgd
from .test_gcn import LR, slope

CHAINS = Chains(steps=3, step_size=0.3, reference_std=0.8)


def model(grids: tuple[int, ...] = (1, 4, 8), **kwargs: object) -> MultigridGCN:
    r"""Returns a multi-grid GCN with the same initial weights every time."""
    seed_everything(7, verbose=False)
    defaults = {
        "descriptor": MultigridDescriptors(1, grids, width=4),
        "shape": [1, 8, 8],
        "chains": CHAINS,
        "seeds": 40,
        "descriptor_optimizer": sgd(LR),
    }
    return MultigridGCN(**(defaults | kwargs))


def trained_on(gcn: MultigridGCN, steps: int) -> list[Tensor]:
    r"""Trains, and returns the real images of all steps."""
    seen: list[Tensor] = []
    update = gcn.update
    gcn.update = lambda y, label: (seen.append(y), update(y, label))[1]
    fit(gcn, steps, data=partial(EmbeddedDigits, "8x8", size=8))
    return seen


def chain(network: nn.Module, x: Tensor, random: torch.Generator) -> Tensor:
    for _ in range(3):
        g = slope(network, x) - x / 0.8**2
        x = x + 0.3**2 / 2 * g + 0.3 * torch.randn(x.shape, generator=random)
    return x


def learned(network: nn.Module, x0: Tensor, x: Tensor, y: Tensor, zeta: float) -> None:
    r"""Makes a step of one grid's descriptor, independent of the others."""
    costs = [slope(network, a, create_graph=True).square().sum((1, 2, 3)).mean() for a in (x0, x)]
    loss = network(x).mean() - network(y).mean()
    loss = loss + 0.3 / 2 * (zeta * costs[0] + (1 - zeta) * costs[1])
    parameters = list(network.parameters())
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    with torch.no_grad():
        for p, g in zip(parameters, gradients, strict=True):
            p -= LR * g


def test_each_grid_learns_for_itself_from_what_the_coarser_one_came_to() -> None:
    trained, looped = model(gamma=0.3), model()
    seen = trained_on(trained, steps=2)
    for i, (y, random) in enumerate(zip(seen, noises(looped, 2), strict=True)):
        interpolation = torch.Generator().manual_seed(fold(looped.seed, "interpolation", i))
        x = downscale(y, 8)
        learning = []
        for network, factor, left in zip(looped.descriptor, (4, 2), (2, 1), strict=True):
            x0 = upscale(x, factor)
            x = chain(network, x0, random)
            zeta = torch.rand((), generator=interpolation).item()
            learning.append((network, x0, x, downscale(y, left), zeta))
        for arguments in learning:
            learned(*arguments)
    initial = model()
    for name, p in trained.descriptor.named_parameters():
        torch.testing.assert_close(p, looped.descriptor.get_parameter(name), rtol=1e-4, atol=1e-6)
    for g in range(2):
        name = f"{g}.features.0.weight"
        change = trained.descriptor.get_parameter(name) - initial.descriptor.get_parameter(name)
        assert change.abs().max() > 1e-5


def step_of(gcn: MultigridGCN, g: int) -> Tensor:
    r"""Returns the length of a descriptor's first step."""
    before = nn.utils.parameters_to_vector(gcn.descriptor[g].parameters()).detach()
    trained_on(gcn, steps=1)
    return (nn.utils.parameters_to_vector(gcn.descriptor[g].parameters()) - before).norm()


def test_a_steep_grid_does_not_shorten_the_steps_of_others() -> None:
    even, steep = (model(gradient_clip_norm=0.1) for _ in range(2))
    with torch.no_grad():
        steep.descriptor[1].head.weight.mul_(100)
    torch.testing.assert_close(step_of(even, 0), step_of(steep, 0))
    # Each step has the length of its clipped gradient.
    for g in range(2):
        torch.testing.assert_close(
            step_of(model(gradient_clip_norm=1e-4), g), torch.tensor(1e-4 * LR), rtol=1e-3, atol=0
        )


def test_two_grids_are_a_short_run_from_blocks() -> None:
    gcn = model(grids=(4, 8))
    trained_on(gcn, steps=2)
    assert gcn.sample(3, random=torch.Generator().manual_seed(0)).shape == (3, 1, 8, 8)


def test_samples_start_at_coarse_images_of_the_training() -> None:
    silent = Chains(steps=1, step_size=1e-6, bound=1.0, noise_std=0.0)
    gcn = model(chains=silent)
    colours = torch.cat([downscale(y, 8) for y in trained_on(gcn, steps=3)])
    assert int(gcn.seeds.seen) == 48
    # Of 48 colours in 40 places, the first eight are replaced.
    expected = torch.cat([colours[40:], colours[8:40]])
    torch.testing.assert_close(gcn.seeds.samples, expected)
    x = gcn.sample(20, random=torch.Generator().manual_seed(0))
    torch.testing.assert_close(x, x[:, :, :1, :1].expand_as(x), atol=1e-3, rtol=0)
    nearest = (x[:, 0, 0, 0, None] - gcn.seeds.samples.flatten()).abs().amin(1)
    assert nearest.max() < 1e-3


def test_parts_of_a_minibatch_add_up_to_the_whole() -> None:
    whole, parts = model(magnitude=0.1), model(magnitude=0.1, accumulate=4)
    for gcn in (whole, parts):
        trained_on(gcn, steps=2)
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_the_potential_is_that_of_the_finest_grid() -> None:
    gcn, y = model(), torch.randn(3, 1, 8, 8)
    assert torch.equal(gcn.potential(y), gcn.descriptor[-1](y).flatten())


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            {"descriptor": nn.Linear(2, 1)},
            "'descriptor' should be a ModuleList with .*, got Linear",
        ),
        ({"seeds": 0}, "'seeds'"),
        ({"shape": [2]}, r"'shape' = \[2\]"),
        ({"classes": 3}, "'classes' = 3"),
        ({"penalized": "head"}, "no layer of that name"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model(**arguments)


def test_grids_that_do_not_end_at_the_data_are_refused() -> None:
    with pytest.raises(ValueError, match=r"should be that of 'data', \[1, 8, 8\], .* and 16"):
        trained_on(model(grids=(1, 4, 16)), steps=1)


def test_images_that_are_no_squares_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a square as wide as .*, got \[1, 4, 8\] and 8"):
        model(shape=[1, 4, 8]).check(torch.zeros(2, 1, 4, 8))


def test_samples_of_a_model_that_was_never_trained_are_refused() -> None:
    with pytest.raises(ValueError, match="there was none yet"):
        model().sample(2)


def test_a_plain_trainer_may_validate_before_the_first_batch(tmp_path: Path) -> None:
    gcn, data = model(), EmbeddedDigits("8x8", size=8, batch_size=20)
    trainer = Trainer(
        default_root_dir=tmp_path,
        max_steps=2,
        accelerator="cpu",
        logger=False,
        num_sanity_val_steps=1,
    )
    trainer.fit(gcn, data)
    assert trainer.global_step == 2
    with pytest.raises(ValueError, match="there was none yet"):
        trainer.validate(model(), data)


def test_only_one_part_of_a_minibatch_is_in_memory_on_all_grids() -> None:
    gcn, order = model(accumulate=3), []
    losses, descend = gcn.losses, gcn.descend

    def watched(network: nn.Module, *rest: object) -> Iterator[Tensor]:
        for part, loss in enumerate(losses(network, *rest)):
            order.append((part, [*gcn.descriptor].index(network)))
            yield loss

    gcn.losses = watched
    gcn.descend = lambda optimizer, parts: descend(
        optimizer, (order.append("backward") or part for part in parts)
    )
    fit(gcn, 1, batch_size=12, data=partial(EmbeddedDigits, "8x8", size=8))
    assert order == [e for part in range(3) for e in ((part, 0), (part, 1), "backward")]
