r"""Which stored lines the n-gram generator should replace, and what the field costs in a step.

::

    python -m benchmarks.ngram_memory

trains on the help that comes with Python, in 32 characters, with new lines in place of random ones
and of the oldest ones. It prints the divergences of 640 samples of the generator, which are taken
without a moving average, from the training lines. Then it times the field of n-grams beside the
generator's forward and backward pass.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor

from energy_gans.commands.outputs import markdown_heading
from energy_gans.data import EmbeddedText
from energy_gans.functional import ascent_loss, draw_characters, ngram_divergence
from energy_gans.methods import NGramGenerator
from energy_gans.networks import ResidualTextGenerator

ORDERS = (1, 2, 4, 6)


class OldestReplaced(NGramGenerator):
    r"""An n-gram generator whose new lines replace the oldest ones."""

    def on_train_start(self) -> None:
        super().on_train_start()
        store = self.ngrams.store
        self.ngrams.store = lambda name, c, random=None: store(name, c)


def trained(method: type[NGramGenerator], steps: int, data: EmbeddedText) -> NGramGenerator:
    r"""Returns a method that is trained for some steps."""
    seed_everything(0, verbose=False)
    generator = ResidualTextGenerator(128, symbols=128, length=32, width=64, norm="batch")
    model = method(generator, latent_dim=128)
    trainer = Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        limit_val_batches=0,
    )
    trainer.fit(model, data)
    return model


def divergences(model: NGramGenerator, y: Tensor) -> list[Tensor]:
    r"""Returns the divergences of 640 samples from training lines, for each length."""
    x = model.sample(640, random=torch.Generator().manual_seed(0)).argmax(1)
    return [ngram_divergence(x, y, n) for n in ORDERS]


def seconds(call: Callable[[], object], repeats: int = 50) -> float:
    r"""Returns the least time of a call, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def costs(model: NGramGenerator) -> tuple[float, float]:
    r"""Returns the times of the generator's passes and of the field of a minibatch of 64 lines."""
    z, u = torch.randn(64, 128), torch.rand(64, 32)
    pi = model.generator(z).detach()
    c, ngrams = draw_characters(pi, u), model.ngrams

    def passes() -> None:
        ascent_loss(model.generator(z), pi).backward()

    def field() -> None:
        drawn = draw_characters(pi, u)
        ngrams.store("real", c)
        ngrams.store("generated", drawn, model.random)
        ngrams.field(drawn)

    return seconds(passes), seconds(field)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2500)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = EmbeddedText()
    y = data.contents("train")[0]
    print(markdown_heading(["lines that are replaced", *(f"js_{n}" for n in ORDERS)]))
    for name, method in (("the oldest ones", OldestReplaced), ("random ones", NGramGenerator)):
        model = trained(method, options.steps, data)
        print(f"| {name} | {' | '.join(f'{js:.3f}' for js in divergences(model, y))} |")
    passes, field = costs(model)
    print(f"generator {1e3 * passes:.1f} ms, field {1e3 * field:.1f} ms: {field / passes:.2f}")


if __name__ == "__main__":
    main()
