r"""Tests for energy_gans.commands.export.half_weights."""

from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from energy_gans.commands import export, load_model
from energy_gans.commands.export.half_weights import rounded_weights
from energy_gans.methods import CoulombGAN, GenerativeModule
from energy_gans.networks import MLP

from ...storage.old_checkpoints import FOLDER
from ..conftest import trained  # noqa: F401


def draw(model: GenerativeModule, n: int = 64) -> Tensor:
    return model.sample(n, random=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["coulomb", "eieg", "plane", "vapo", "classes"])
def test_a_file_of_half_the_size_gives_the_same_samples(
    trained: Callable[[str], str],  # noqa: F811
    tmp_path: Path,
    name: str,
) -> None:
    model = load_model(trained(name))
    export(trained(name), tmp_path / "whole")
    export(trained(name), tmp_path / "half", half_weights=True)
    state = safetensors.torch.load_file(tmp_path / "half" / "model.safetensors")
    whole = safetensors.torch.load_file(tmp_path / "whole" / "model.safetensors")
    assert state.keys() == whole.keys()
    for key, weight in state.items():
        taken = whole[key].dtype == torch.float32 and whole[key].dim() >= 2
        assert weight.dtype == (torch.float16 if taken else whole[key].dtype)
        assert torch.equal(weight, whole[key].to(weight.dtype))
    again = load_model(tmp_path / "half")
    assert {p.dtype for p in again.parameters()} == {torch.float32}
    before, after = draw(model), draw(again)
    change = ((after - before).abs().max() / (before.max() - before.min())).item()
    assert change <= 1 / 255
    card = (tmp_path / "half" / "README.md").read_text()
    assert f"which changed 64 samples by at most {change:.2g} of their range." in card
    assert "float16" not in (tmp_path / "whole" / "README.md").read_text()


def test_the_pictures_and_the_numbers_of_a_card_are_those_of_the_rounded_model(
    trained: Callable[[str], str],  # noqa: F811
    tmp_path: Path,
) -> None:
    export(trained("coulomb"), tmp_path / "half", half_weights=True)
    export(tmp_path / "half", tmp_path / "again")
    pictures = [(tmp_path / f / "samples.png").read_bytes() for f in ("half", "again")]
    assert pictures[0] == pictures[1]


def sharp(gain: float) -> CoulombGAN:
    # The second layer takes the difference of two large features that are almost equal.
    generator = MLP(1, 1, [2], activation=torch.nn.Identity)
    with torch.no_grad():
        for p in generator.parameters():
            p.zero_()
        generator[0].weight.copy_(torch.tensor([[gain + 1], [gain]]))
        generator[2].weight.copy_(torch.tensor([[1.0, -1.0]]))
    return CoulombGAN(generator, MLP(1, 1, [2]), latent_dim=1)


def test_a_model_whose_samples_change_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    model = sharp(3000.3)
    weight = model.generator[0].weight.clone()
    with pytest.raises(ValueError, match="'half_weights' should be false for this model: "):
        export(model, tmp_path / "half", half_weights=True)
    assert not (tmp_path / "half").exists()
    assert torch.equal(model.generator[0].weight, weight)
    # Differences of whole numbers below 2048 are exact.
    export(sharp(2000.0), tmp_path / "half", half_weights=True)


def test_a_weight_that_is_too_large_for_float16_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="weights change nan of the range of samples, and 1/255"):
        export(sharp(1e5), tmp_path / "half", half_weights=True)


def test_no_character_of_a_text_may_change(tmp_path: Path) -> None:
    path = FOLDER / "NGramGenerator" / "last.ckpt"
    export(path, tmp_path / "half", half_weights=True)
    texts = [draw(load_model(p)).argmax(1) for p in (path, tmp_path / "half")]
    assert torch.equal(*texts)
    assert "changed no character of 64 samples." in (tmp_path / "half" / "README.md").read_text()
    model = load_model(path)
    drawn = torch.zeros(2, 4, 5).index_fill(1, torch.tensor([2]), 0.5)
    drawn[1, 0, 0, ...] = 0.4
    after = drawn.clone()
    after[1, 0, 0] = 0.6
    sets = iter([drawn, after])
    model.sample = lambda n, random: next(sets)
    told = "change 0.1 of the characters, and none is allowed"
    with pytest.raises(ValueError, match=told), rounded_weights(model, 0):
        pass


def test_weights_are_whole_again_after_an_export() -> None:
    model = CoulombGAN(MLP(2, 2), MLP(2, 1), latent_dim=2)
    kept = {name: t.clone() for name, t in model.state_dict().items()}
    with rounded_weights(model, 0) as change:
        assert 0 < change < 1 / 255
        weight = model.generator[0].weight
        assert torch.equal(weight, weight.half().float())
        assert not torch.equal(weight, kept["generator.0.weight"])
    assert all(torch.equal(kept[name], t) for name, t in model.state_dict().items())
