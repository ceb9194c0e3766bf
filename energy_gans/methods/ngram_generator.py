r"""Generators of text that follow the field of n-grams.

The generator gives a distribution :math:`\pi_l` over the symbols of each place :math:`l` of a
line. Real lines attract and generated lines repel: the potential of an n-gram is
:math:`\log q_n - \log p_n`, of its frequencies in real and in generated lines, and its gradient by
:math:`\pi` is the field :math:`V` (:mod:`energy_gans.functional.ngram_fields`). The generator
makes a step along the field,

.. math:: L_G = - \mathbb{E} \sum_l \langle \pi_l, \text{sg}(V_l(c)) \rangle \qquad
    c_l \sim \pi_l

with the stop-gradient sg. In the mean its gradient is that of
:math:`\sum_n \mathrm{KL}(p_n \| q_n)`, for the frequencies :math:`p_n` of drawn lines. The minimum
is at :math:`p_n = q_n`. n-grams do not see what is further apart than :math:`n` characters.

Frequencies :math:`p_n` are those of generated lines that are stored, so they lag behind the
generator. New lines replace random ones, and the age of a stored line is exponentially
distributed. If they replaced the oldest ones instead, the frequencies of common n-grams would
oscillate: their feedback would come with a delay.

Samples are read as the most probable character at each place. The divergence of lines that are
drawn falls with the entropy of :math:`\pi`, as characters that are drawn independently do not fit
each other. Drawn lines come closer to read ones as it falls.

References:
    Local Expectation Gradients for Black Box Variational Inference (Titsias and Lázaro-Gredilla,
    2015), https://arxiv.org/abs/1503.01494
    The n-gram divergence of text: Improved Training of Wasserstein GANs (Gulrajani et al., 2017),
    https://arxiv.org/abs/1704.00028
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from ..characters import LARGEST
from ..functional import ascent_loss, draw_characters
from .bases.arguments import base_arguments
from .bases.direct_generator import DirectGeneratorModule
from .bases.optimizers import ADAM
from .parts.stored_lines import NGramPotentials


class NGramGenerator(DirectGeneratorModule):
    r"""A generator of text in the field of n-grams of real and generated lines.

    The mean potential of generated n-grams of each length, with its sign turned, is an estimate of
    their divergence :math:`\mathrm{KL}(p_n \| q_n)` in nats. It is logged as `train/kl_n`, and the
    entropy of :math:`\pi` per character, in nats, as `train/entropy`.

    Arguments:
        orders: The numbers :math:`n` of characters of n-grams, each at least 1.
        real_lines: The number of real lines, the latest ones, whose n-grams attract; at least the
            minibatch.
        generated_lines: The number of generated lines whose n-grams repel; at least the minibatch.
        pseudo_count: The pseudo-count of each n-gram, in n-grams of generated lines.
        bits: The n-grams of each order have up to :math:`2^\text{bits}` numbers, at most 30 bits,
            which take 12 bytes each. With fewer, more n-grams share a number.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(
        self,
        generator: nn.Module,
        latent_dim: int,
        *,
        orders: Sequence[int] = (1, 2, 3, 4),
        real_lines: int = 65536,
        generated_lines: int = 16384,
        pseudo_count: float = 1.0,
        bits: int = 22,
        generator_optimizer: OptimizerCallable = ADAM,
        generator_scheduler: LRSchedulerCallable | None = None,
        updates_per_step: int = 1,
        discriminator_steps: int = 1,
        accumulate: int = 1,
        gradient_clip_norm: float | None = None,
        channels_last: bool = False,
        initial_weights: str | None = None,
    ) -> None:
        super().__init__(**base_arguments(NGramGenerator, locals()))
        self.ngrams = NGramPotentials(orders, real_lines, generated_lines, pseudo_count, bits)

    def update(self, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        pi = self.generator(self.noise(len(y), self.latent_dim))
        pi = pi.to(torch.promote_types(pi.dtype, torch.float32))
        with torch.no_grad():
            c = draw_characters(pi, self.uniform(len(y), y.shape[2]))
            if not self.ngrams.lines:
                self.ngrams.allocate(y)
            self.ngrams.store("real", self.gather(y.argmax(1)))
            self.ngrams.store("generated", self.gather(c), self.random)
            v = self.ngrams.field(c)
        self.last_drawn = (c, pi.detach())
        return {"loss_g": self.descend(self.optimizers(), [ascent_loss(pi, v)])}

    def note_step(self) -> None:
        c, pi = self.last_drawn
        means = zip(self.ngrams.orders, self.ngrams.means(c), strict=True)
        entropy = torch.special.entr(pi).sum(1).mean()
        self.note(entropy=entropy, **{f"kl_{n}": -mean for n, mean in means})

    # What checkpoints hold

    def on_train_start(self) -> None:
        super().on_train_start()
        if self.global_step == 0:
            # What another run has left.
            self.ngrams.lines.clear()

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        super().on_save_checkpoint(checkpoint)
        if lines := self.ngrams.contents():
            checkpoint["lines"] = lines

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        super().on_load_checkpoint(checkpoint)
        self.ngrams.lines, self.ngrams.saved = {}, checkpoint.get("lines")

    # Checks

    def check(self, y: Tensor) -> None:
        if y.ndim != 3 or not 1 < y.shape[1] <= LARGEST:
            raise ValueError(
                "'data' of NGramGenerator should be lines of text, with shape (B, V, L) and up to "
                f"{LARGEST} symbols, got {tuple(y.shape)}."
            )
        if y.shape[2] < max(self.ngrams.orders):
            raise ValueError(
                f"'orders' should be at most the {y.shape[2]} characters of a line, got "
                f"{max(self.ngrams.orders)}."
            )
        super().check(y)
        pi = self.generator(y.new_zeros(len(y), self.latent_dim)).float()
        if bool((pi < 0).any()) or not torch.allclose(pi.sum(1), pi.new_ones(()), atol=1e-2):
            raise ValueError(
                "'model.init_args.generator' should return a distribution over the symbols at "
                "each place, as ResidualTextGenerator does, got columns that are none."
            )
