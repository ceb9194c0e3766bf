r"""Tests for the energy_gans.methods.ngram_generator module."""

import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest import mock

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor, nn
from torch.optim import SGD
from torch.utils.data import DataLoader, TensorDataset

from energy_gans.characters import one_hot
from energy_gans.data import FromDataset
from energy_gans.functional import draw_characters, fold, ngram_divergence
from energy_gans.methods import NGramGenerator
from energy_gans.networks import MLP, ResidualTextGenerator

from .harness import fit, sgd

B, V, L = 6, 5, 4
LINES = torch.randint(V, (24, L), generator=torch.Generator().manual_seed(1))


def model(**kwargs: object) -> NGramGenerator:
    r"""Returns a generator of short lines with the same initial weights every time."""
    seed_everything(7, verbose=False)
    defaults = {
        "generator": nn.Sequential(nn.Linear(3, V * L), nn.Unflatten(1, (V, L)), nn.Softmax(1)),
        "latent_dim": 3,
        "orders": (1, 3),
        "real_lines": 12,
        "generated_lines": 8,
        "pseudo_count": 0.5,
        "bits": 9,
        "generator_optimizer": sgd(0.1),
    }
    return NGramGenerator(**(defaults | kwargs))


def trainer(steps: int) -> Trainer:
    return Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        log_every_n_steps=1,
    )


class InOrder(FromDataset):
    r"""Lines in their order, for as many steps as they last."""

    vocabulary = "abcde"

    def step_order(self, length: int) -> list[Tensor]:
        return list(torch.arange(length).split(self.batch_size))


def lines(batch_size: int = B, codes: Tensor = LINES) -> FromDataset:
    y = one_hot(codes, V)
    return InOrder(TensorDataset(y), val=TensorDataset(y), batch_size=batch_size)


def count(stored: Tensor, ngram: tuple[int, ...]) -> int:
    r"""Returns how often an n-gram stands in stored lines."""
    n = len(ngram)
    rows = stored.tolist()
    return sum(tuple(row[s : s + n]) == ngram for row in rows for s in range(L - n + 1))


def plain_field(c: Tensor, real: Tensor, generated: Tensor) -> Tensor:
    r"""Returns the field at lines, n-gram by n-gram."""
    field = torch.zeros(len(c), V, L)
    for b, place, v, n in itertools.product(range(len(c)), range(L), range(V), (1, 3)):
        row = c[b].tolist()
        row[place] = v
        for s in range(max(0, place - n + 1), min(place, L - n) + 1):
            ngram = tuple(row[s : s + n])
            ratio = (count(real, ngram) * 8 / 12 + 0.5) / (count(generated, ngram) + 0.5)
            field[b, v, place] += torch.tensor(ratio).log() / (L - n + 1)
    return field


def test_updates_follow_the_field_of_the_lines_that_are_stored() -> None:
    fitted, looped = model(), model()
    fit(fitted, 3, batch_size=B, data=lines)
    step = SGD(looped.generator.parameters(), 0.1)
    stored, places = torch.zeros(8, L, dtype=torch.long), torch.arange(B)
    for i in range(3):
        random = torch.Generator().manual_seed(fold(looped.seed, "noise", i))
        pi = looped.generator(torch.randn(B, 3, generator=random))
        c = draw_characters(pi, torch.rand(B, L, generator=random))
        # Places are filled from the first on, and taken at random once all are.
        if i == 2:
            places = torch.randperm(8, generator=random)[:B]
        stored[places] = c
        generated, places = stored[: (i + 1) * B], (places + B) % 8
        real = LINES[: (i + 1) * B][-12:]
        looped.zero_grad()
        (-(pi * plain_field(c, real, generated)).sum((1, 2)).mean()).backward()
        step.step()
    for a, b in zip(fitted.parameters(), looped.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_samples_take_the_ngrams_of_the_data() -> None:
    words = torch.tensor([[1, 2, 3, 4], [4, 3, 2, 1], [0, 1, 0, 2]])
    codes = words[torch.randint(3, (1200,), generator=torch.Generator().manual_seed(2))]
    generator = nn.Sequential(MLP(8, V * L, [64]), nn.Unflatten(1, (V, L)), nn.Softmax(1))
    gan = model(
        generator=generator,
        latent_dim=8,
        orders=(1, 2, 3),
        real_lines=600,
        generated_lines=300,
        generator_optimizer=partial(torch.optim.Adam, lr=0.01),
    )
    data = partial(lines, codes=codes.repeat(8, 1))
    before = ngram_divergence(gan.sample(500).argmax(1), codes, 3)
    fit(gan, 400, batch_size=24, data=data)
    after = ngram_divergence(gan.sample(500).argmax(1), codes, 3)
    assert before > 0.8 and after < 0.25


def test_divergences_and_the_entropy_are_logged() -> None:
    gan = model()
    run = trainer(1)
    run.fit(gan, lines())
    logged = run.callback_metrics
    assert {f"train/{name}" for name in ("loss_g", "kl_1", "kl_3", "entropy")} <= logged.keys()
    c, pi = gan.last_drawn
    real, drawn = (lines.codes[: lines.seen] for lines in gan.ngrams.lines.values())
    torch.testing.assert_close(drawn.long(), c)
    kl = [
        -torch.tensor((count(real, (v,)) * 8 / 12 + 0.5) / (count(c, (v,)) + 0.5)).log()
        for v in c.flatten().tolist()
    ]
    assert logged["train/kl_1"] == pytest.approx(torch.stack(kl).mean().item(), rel=1e-5)
    entropy = -(pi * pi.log()).sum(1).mean().item()
    assert logged["train/entropy"] == pytest.approx(entropy, rel=1e-5)


def test_another_fit_forgets_the_lines_of_the_one_before() -> None:
    gan, other = model(), model()
    fit(gan, 2, batch_size=B, data=lines)
    gan.load_state_dict(other.state_dict())
    fit(gan, 1, batch_size=B, data=lines)
    assert [lines.seen for lines in gan.ngrams.lines.values()] == [B, B]


def test_checkpoints_hold_the_lines_and_not_the_tables(tmp_path: Path) -> None:
    gan = model()
    data = fit(gan, 2, batch_size=B, data=lines)
    gan.trainer.save_checkpoint(tmp_path / "a.ckpt", weights_only=False)
    saved = torch.load(tmp_path / "a.ckpt", weights_only=True)["lines"]
    assert torch.equal(saved["real"]["codes"].long(), LINES[:12])
    assert saved["real"]["seen"] == saved["generated"]["seen"] == 12
    assert (tmp_path / "a.ckpt").stat().st_size < 40_000
    again = model()
    again.on_load_checkpoint({"lines": saved, "state_dict": gan.state_dict()})
    assert again.ngrams.contents() is saved
    again.ngrams.allocate(one_hot(data.contents("train")[0][:2].argmax(1), V))
    for a, b in zip(again.ngrams.tables, gan.ngrams.tables, strict=True):
        assert torch.equal(a, b)


def test_checkpoints_hold_the_vocabulary_and_go_on_with_no_other(tmp_path: Path) -> None:
    gan, path = model(), tmp_path / "a.ckpt"
    run = trainer(2)
    run.fit(gan, lines())
    run.save_checkpoint(path)
    assert torch.load(path, weights_only=True)["vocabulary"] == "abcde"
    other = lines()
    with (
        mock.patch.object(InOrder, "vocabulary", "abcdf"),
        pytest.raises(ValueError, match="vocabulary"),
    ):
        trainer(3).fit(model(), other, ckpt_path=path, weights_only=True)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"orders": ()}, "'orders' should hold different lengths, got \\[\\]"),
        ({"orders": (2, 2)}, "'orders' should hold different lengths"),
        ({"orders": (0,)}, "'n' should"),
        ({"real_lines": 0}, "'real_lines' should"),
        ({"generated_lines": 0}, "'generated_lines' should"),
        ({"pseudo_count": 0.0}, "'pseudo_count' should"),
        ({"bits": 31}, "'bits' should"),
        ({"accumulate": 2}, "'accumulate' should"),
    ],
)
def test_numbers_out_of_their_range_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        model(**options)


WRONG: list[tuple[Callable[[], NGramGenerator], Tensor, str]] = [
    (model, torch.zeros(2, 3), "should be lines of text, .* got \\(2, 3\\)"),
    (model, torch.zeros(2, 300, L), "up to 256 symbols, got \\(2, 300, 4\\)"),
    (partial(model, orders=(5,)), torch.zeros(2, V, L), "'orders' should be at most the 4 char"),
    (model, torch.zeros(2, V, 7), "should map .* to the shape of 'data'"),
    (
        partial(model, generator=nn.Sequential(nn.Linear(3, V * L), nn.Unflatten(1, (V, L)))),
        torch.zeros(2, V, L),
        "should return a distribution over the symbols",
    ),
]


@pytest.mark.parametrize("make, y, words", WRONG)
def test_data_and_networks_that_do_not_fit_are_refused(
    make: Callable[[], NGramGenerator], y: Tensor, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        make().check(y)


def test_minibatches_of_more_lines_than_are_stored_are_refused() -> None:
    with pytest.raises(ValueError, match="'generated_lines' should be at least .* 12, got 8"):
        fit(model(), 1, batch_size=12, data=lines)


def test_plain_loaders_of_one_hot_lines_are_read() -> None:
    gan = model(generator=ResidualTextGenerator(3, V, L, 8, blocks=1))
    trainer(2).fit(gan, DataLoader(TensorDataset(one_hot(LINES, V)), 6))
    assert gan.ngrams.lines["real"].seen == 12
