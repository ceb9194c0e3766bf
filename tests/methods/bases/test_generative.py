r"""Tests for the energy_gans.methods.bases.generative module."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from energy_gans.cli import main
from energy_gans.methods import VAPO, CoulombGAN, Flow
from energy_gans.methods.parts.networks import evaluation_mode, fixed_parameters
from energy_gans.networks import MLP, DCGANDiscriminator, DCGANGenerator

from ..harness import model


def images() -> CoulombGAN:
    torch.manual_seed(0)
    networks = {
        "generator": DCGANGenerator(4, 1, 8, 4),
        "discriminator": DCGANDiscriminator(1, 8, 4),
    }
    return CoulombGAN(**networks, latent_dim=4)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_samples_are_those_of_evaluation_mode_and_leave_no_trace() -> None:
    gan = images().train()
    statistics = gan.generator.layers[1].running_mean.clone()
    few, more = gan.sample(4, random=seeded()), gan.sample(8, random=seeded())
    # In training mode, batch norm would make a sample depend on the others.
    torch.testing.assert_close(few, more[:4])
    assert torch.equal(gan.generator.layers[1].running_mean, statistics)
    assert gan.generator.training
    assert not few.requires_grad


def test_samples_are_those_of_the_moving_average() -> None:
    gan = images()
    gan.average(0.9).update_parameters(gan.generator)
    before = gan.sample(3, random=seeded())
    for p in gan.generator.parameters():
        p.data.zero_()
    assert torch.equal(gan.sample(3, random=seeded()), before)


def test_images_are_clipped() -> None:
    gan = images()
    gan.generator.layers[-1] = torch.nn.Identity()
    gan.generator.layers[-2].bias.data.fill_(5.0)
    assert gan.sample(2).max() == 1.0


def test_the_moving_average_follows_its_recursion() -> None:
    gan = images()
    averaged = gan.average(0.5)
    path = [0.0, 1.0, 3.0, -2.0, 4.0]
    expected = path[0]
    bias = gan.generator.layers[-2].bias
    mean = gan.generator.layers[1].running_mean
    for n, value in enumerate(path):
        bias.data.fill_(value)
        mean.fill_(value)
        averaged.update_parameters(gan.generator)
        if n > 0:
            decay = min(0.5, n / (9 + n))
            expected = decay * expected + (1 - decay) * value
    assert averaged.module.layers[-2].bias.item() == pytest.approx(expected)
    assert averaged.module.layers[1].running_mean[0].item() == pytest.approx(expected)
    assert (
        averaged.module.layers[1].num_batches_tracked
        == gan.generator.layers[1].num_batches_tracked
    )


def test_an_unconditional_model_takes_no_label() -> None:
    with pytest.raises(ValueError, match="model is unconditional"):
        images().sample(2, label=torch.zeros(2))


def test_modes_are_restored_one_by_one() -> None:
    network = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Dropout())
    network[1].eval()
    with evaluation_mode(network):
        assert not any(m.training for m in network.modules())
    assert [m.training for m in network.modules()] == [True, True, False]


def test_frozen_networks_pass_gradients_to_their_inputs() -> None:
    network = MLP(2, 1, [4])
    x = torch.randn(3, 2, requires_grad=True)
    with fixed_parameters(network):
        network(x).sum().backward()
    assert x.grad.abs().sum() > 0
    assert all(p.grad is None and p.requires_grad for p in network.parameters())


def test_channels_last_changes_how_images_are_stored_not_what_they_are(
    tiny: Callable, tmp_path: Path
) -> None:
    states = []
    for flag in ("false", "true"):
        main(tiny("--trainer.max_steps=2", f"--model.init_args.channels_last={flag}", name=flag))
        path = tmp_path / flag / "version_0/checkpoints/last.ckpt"
        states.append(torch.load(path, weights_only=True)["state_dict"])
    plain, last = states
    weight = "discriminator.layers.3.weight"
    assert last[weight].is_contiguous(memory_format=torch.channels_last)
    assert plain[weight].is_contiguous()
    for name in plain:
        torch.testing.assert_close(plain[name], last[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("given", ["", "version_0/checkpoints/last.ckpt"])
def test_a_run_starts_from_initial_weights(tiny: Callable, tmp_path: Path, given: str) -> None:
    main(tiny("--trainer.max_steps=3", points=True, name="first"))
    path = tmp_path / "first/version_0/checkpoints/last.ckpt"
    stay = [
        f"--model.init_args.{name}_optimizer="
        "{class_path: torch.optim.SGD, init_args: {lr: 0.0}}"
        for name in ("generator", "discriminator")
    ]
    main(
        tiny(
            "--trainer.max_steps=1",
            f"--model.init_args.initial_weights={tmp_path / 'first' / given}",
            "--seed_everything=5",
            *stay,
            points=True,
            name="second",
        )
    )
    first = torch.load(path, weights_only=True)
    second = torch.load(tmp_path / "second/version_0/checkpoints/last.ckpt", weights_only=True)
    assert second["global_step"] == 1
    for name in ("generator.0.weight", "discriminator.0.weight"):
        assert torch.equal(first["state_dict"][name], second["state_dict"][name])


def test_initial_weights_of_other_networks_are_refused(tiny: Callable, tmp_path: Path) -> None:
    main(tiny("--trainer.max_steps=1", points=True))
    path = tmp_path / "tiny/version_0/checkpoints/last.ckpt"
    with pytest.raises(SystemExit, match="lacks 'generator.layers.0.weight'"):
        main(tiny("--trainer.max_steps=1", f"--model.init_args.initial_weights={path}"))


def test_initial_weights_that_are_damaged_are_refused(tiny: Callable, tmp_path: Path) -> None:
    main(tiny("--trainer.max_steps=1", points=True))
    path = tmp_path / "tiny/version_0/checkpoints/last.ckpt"
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda part: part.file_size)
        weights = archive.read(largest)
    content = bytearray(path.read_bytes())
    content[content.index(weights) + len(weights) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(SystemExit, match=r"'initial_weights' = .* is damaged"):
        main(
            tiny("--trainer.max_steps=1", f"--model.init_args.initial_weights={path}", points=True)
        )


def test_initial_weights_are_read_of_regular_files_only(tiny: Callable) -> None:
    with pytest.raises(SystemExit, match=r"'initial_weights' should be a file of weights, and"):
        main(
            tiny(
                "--trainer.max_steps=1",
                f"--model.init_args.initial_weights={os.devnull}",
                points=True,
            )
        )


def as_process(rank: int, world_size: int) -> CoulombGAN:
    r"""Returns the model of one of several processes."""
    gan = model(CoulombGAN)
    gan._trainer = SimpleNamespace(global_rank=rank, world_size=world_size)
    return gan


def test_processes_draw_the_samples_of_one_for_their_batches() -> None:
    y = torch.zeros(5, 2)
    alone = [as_process(0, 1).predict_step((y, None), i) for i in range(6)]
    shares = [[as_process(r, 3).predict_step((y, None), i) for i in range(2)] for r in range(3)]
    in_turn = [x for step in zip(*shares, strict=True) for x in step]
    assert all(torch.equal(a, b) for a, b in zip(alone, in_turn, strict=True))
    assert len(torch.cat(alone).unique(dim=0)) == 30
    assert as_process(2, 3).predict_step((y[:0], None), 2).shape == (0, 2)


def test_energies_and_flows_sample_under_inference_mode() -> None:
    vapo = VAPO(descriptor=nn.Linear(2, 1), shape=[2], flow=Flow("euler", steps=2))
    with torch.inference_mode():
        x = vapo.sample(3, random=torch.Generator().manual_seed(0))
    assert torch.equal(x, vapo.sample(3, random=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_model_can_be_pickled_by_torch(channels_last: bool, tmp_path: Path) -> None:
    model = CoulombGAN(MLP(2, 2), MLP(2, 1), latent_dim=2, channels_last=channels_last)
    torch.save(model, tmp_path / "a.pt")
    again = torch.load(tmp_path / "a.pt", weights_only=False)
    assert again.memory_format == model.memory_format
    x, y = (m.sample(3, random=torch.Generator().manual_seed(0)) for m in (model, again))
    assert torch.equal(x, y)
