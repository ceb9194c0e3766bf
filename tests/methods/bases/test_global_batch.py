r"""Tests for the energy_gans.methods.bases.global_batch module: what processes share."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
import torch.distributed
from torch import Tensor

from energy_gans.functional import fold
from energy_gans.methods import EIEGGAN, EIEGGenerator
from energy_gans.methods.baselines import MMDGAN
from energy_gans.methods.bases.feature_gan import FeatureGAN
from energy_gans.networks import MLP

from ...processes import free_port, start
from ..harness import model

ELASTIC = partial(model, EIEGGAN, out=3)
GAUSSIAN = partial(model, MMDGAN, out=3)
CASES = {
    "elastic": partial(ELASTIC),
    "unstabilized": partial(ELASTIC, stabilizer=0.0, softening="plummer"),
    "real": partial(ELASTIC, stabilizer_scope="real", normalize=True),
    "repulsive": partial(ELASTIC, objective="repulsive"),
    "penalized": partial(ELASTIC, stabilizer=0.0, normalize=True, gradient_penalty=0.5),
    "gaussian": partial(GAUSSIAN, normalize=True, objective="repulsive"),
    "gaussian penalized": partial(GAUSSIAN, gradient_penalty=0.5),
}


def gradients(
    gan: FeatureGAN, x: Tensor, y: Tensor, rank: int = 0, world_size: int = 1
) -> dict[str, Tensor]:
    r"""Returns a process's losses and their gradients by all parameters."""
    gan._trainer = SimpleNamespace(world_size=world_size, global_rank=rank)
    gan.random.manual_seed(0)
    x, y = x[rank::world_size], y[rank::world_size]
    found = {}
    losses = {"d": lambda: gan.discriminator_losses(x, y), "g": lambda: gan.generator_losses(y)}
    for name, loss in losses.items():
        gan.zero_grad()
        (value,) = loss()
        value.backward()
        gradient = [p.grad.flatten() for p in gan.parameters() if p.grad is not None]
        found[name] = torch.cat([value.detach()[None], *gradient])
    found["noted"] = torch.stack(list(gan.noted.values()) or [torch.zeros(())])
    return found


def batch() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    x, y = torch.randn(2, 24, 2, generator=random)
    # Some points coincide, in different processes.
    x[3] = x[0]
    return x, y + 0.5


def run_process(rank: int, port: int, folder: Path) -> None:
    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{port}"
    torch.distributed.init_process_group("gloo", address, rank=rank, world_size=2)
    found = {name: gradients(make(), *batch(), rank, 2) for name, make in CASES.items()}
    torch.save(found, folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def test_rows_of_two_processes_are_the_losses_and_gradients_of_one(tmp_path: Path) -> None:
    port = free_port()
    children = [start(run_process, r, port, tmp_path) for r in range(2)]
    for child in children:
        child.join(120)
    assert [child.exitcode for child in children] == [0, 0]
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for name, make in CASES.items():
        for part, expected in gradients(make(), *batch()).items():
            # DDP takes this mean of the gradients.
            mean = torch.stack([found[name][part] for found in parts]).mean(0)
            scale = expected.norm()
            assert (mean - expected).norm() <= 1e-5 * scale, (name, part)


def test_a_run_has_the_seed_of_its_model() -> None:
    torch.manual_seed(11)
    gan = EIEGGenerator(MLP(2, 2, [4]), 2)
    torch.manual_seed(12)
    assert gan.seed == 11


def test_a_method_without_a_trainer_is_trained_by_one_process() -> None:
    gan = model(EIEGGAN, out=3)
    assert gan.world_size == 1
    x = torch.randn(4, 2, requires_grad=True)
    points = gan.gather_columns(x)
    assert points.alone and points.every is x


W = 3
WHOLE = torch.randn(4 * W, 2, generator=torch.Generator().manual_seed(2))


def process(monkeypatch: pytest.MonkeyPatch, rank: int, parts: list[Tensor]) -> EIEGGenerator:
    r"""Returns the model of one of several processes, whose tensors are known."""

    def all_gather(every: list[Tensor], x: Tensor) -> None:
        assert torch.equal(x, parts[rank]) and not x.requires_grad
        for one, part in zip(every, parts, strict=True):
            one.copy_(part)

    def all_reduce(x: Tensor, operation: torch.distributed.ReduceOp) -> None:
        assert torch.equal(x, parts[rank])
        every, op = torch.stack(parts), torch.distributed.ReduceOp
        x.copy_({op.SUM: every.sum(0), op.MAX: every.amax(0)}[operation])

    monkeypatch.setattr(torch.distributed, "all_gather", all_gather)
    monkeypatch.setattr(torch.distributed, "all_reduce", all_reduce)
    torch.manual_seed(3)
    gan = EIEGGenerator(MLP(2, 2, [4]), 2, kernel=lambda a, b: (1 + a @ b.T) ** 2)
    gan._trainer = SimpleNamespace(world_size=len(parts), global_rank=rank)
    return gan


@pytest.mark.parametrize("rank", range(W))
def test_samples_are_gathered_in_the_order_of_the_global_minibatch(
    monkeypatch: pytest.MonkeyPatch, rank: int
) -> None:
    gan = process(monkeypatch, rank, [WHOLE[r::W] for r in range(W)])
    own = WHOLE[rank::W].clone().requires_grad_()
    assert torch.equal(gan.gather(own), WHOLE)
    points = gan.gather_columns(own)
    assert points.own is own and not points.every.requires_grad
    # Every process numbers the columns alike.
    assert torch.equal(points.every, torch.cat([WHOLE[r::W] for r in range(W)]))
    assert torch.equal(points.every[points.first :][: len(own)], own)


@pytest.mark.parametrize("rank", range(2))
def test_sums_maxima_and_means_are_those_of_all_processes(
    monkeypatch: pytest.MonkeyPatch, rank: int
) -> None:
    parts = [torch.tensor([1.0, -10.0]) * (r + 1) for r in range(2)]
    gan, own = process(monkeypatch, rank, parts), parts[rank].clone()
    assert gan.total(own).tolist() == [3, -30]
    assert gan.largest(own).tolist() == [2, -10]
    assert torch.equal(own, parts[rank])
    means = gan.means_over_processes({"a": own[0].long(), "b": own[1]})
    assert means == {"a": 1.5, "b": -15} and gan.means_over_processes({}) == {}
    gan._trainer = None
    assert gan.total(own) is own and gan.largest(own) is own


def test_the_mean_of_gradients_of_processes_is_that_of_the_whole_loss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    y, z = WHOLE, WHOLE.flip(0)
    gradients = []
    for rank in range(W):
        gan = process(monkeypatch, rank, [WHOLE[r::W] for r in range(W)])
        with torch.no_grad():
            x = gan.generator(z)
        gan.gather = lambda y: WHOLE
        gan._every = mock.Mock(return_value=torch.stack([x[r::W] for r in range(W)]))
        gan.own_loss(y[rank::W], gan.generator(z[rank::W])).backward()
        (own,) = gan._every.call_args.args
        assert torch.equal(own, x[rank::W]) and not own.requires_grad
        gradients.append([p.grad for p in gan.generator.parameters()])
    alone = process(monkeypatch, 0, [])
    alone._trainer = None
    alone.own_loss(y, alone.generator(z)).backward()
    for p, *parts in zip(alone.generator.parameters(), *gradients, strict=True):
        torch.testing.assert_close(torch.stack(parts).mean(0), p.grad)


def test_processes_share_out_what_is_drawn_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, draw in (("noise", torch.randn), ("uniform", torch.rand)):
        whole = draw(5 * W, 3, generator=torch.Generator().manual_seed(4))
        for rank in range(W):
            gan = process(monkeypatch, rank, [torch.empty(0)] * W)
            gan.random.manual_seed(4)
            assert torch.equal(getattr(gan, name)(5, 3), whole[rank::W])


def test_observers_draw_alike_in_all_processes_by_the_seed_and_their_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, last = (process(monkeypatch, rank, [torch.empty(0)] * W) for rank in (0, W - 1))
    for keys in (("pictures", 7), ("pictures", 8), ("validation", 7)):
        for gan in (first, last):
            # The 0 keeps the numbers of earlier versions.
            expected = torch.Generator().manual_seed(fold(gan.seed, *keys, 0))
            assert gan.observing(*keys).initial_seed() == expected.initial_seed()
    assert [first.place_of_batch(i) for i in range(3)] == [0, 3, 6]
    assert [last.place_of_batch(i) for i in range(3)] == [2, 5, 8]
