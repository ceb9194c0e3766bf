r"""The scattering GAN: the generator follows the field that a tracker network learns.

Each generated sample :math:`x = G(z)` meets one real sample :math:`y` and one other generated
sample :math:`x'` of the minibatch. The difference of the unit vectors to both,

.. math:: S(x) = \frac{y - x}{\|y - x\|} - \frac{x' - x}{\|x' - x\|} \qquad
    \mathbb{E}[S \mid x] = V(x)

is an unbiased estimate of the field :math:`V` of the energy distance
(:mod:`energy_gans.functional.energy_fields`), with much noise, and without a matrix of pairs. The
tracker :math:`T`, a network from samples to vectors of their shape, learns the mean by regression,
and the generator follows :math:`\rho T + (1 - \rho) S`, held fixed:

.. math::
    L_T & = \mathbb{E} \|T(x) - S(x)\|^2 \\
    L_G & = - \mathbb{E} \langle x, \text{sg}(\rho \, T(x) + (1 - \rho) \, S(x)) \rangle

The minimum of :math:`L_T` is at :math:`T = V`. There, for any :math:`\rho`, the mean gradient of
:math:`L_G` is that of half the squared energy distance. The scattering GAN is to the Coulomb GAN
what a velocity is to a potential: its generator needs no gradient through the other network, and
one evaluation of :math:`T` gives both losses. The gradients of both are those of the weights
before either update.

The tracker learns at generated samples, where the generator reads it. Unlike the Coulomb GAN's
discriminator, it does not learn at real samples, too: on the ring that took half as long again,
and the energy distance to the data was about the same. With :math:`\rho = 1` the generator
follows a field that lags, and the spread of a mode swings around that of the data;
:math:`S` in the direction damps that. There is no potential.

References:
    On scattering: https://arxiv.org/abs/2607.18198
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from ..fields import ScatteringField
from ..functional import amortized_loss, ascent_loss, root_mean_square
from .bases.arguments import base_arguments
from .bases.generative import GenerativeModule
from .bases.generator import GeneratorMixin
from .bases.optimizers import FAST_ADAM, Trained
from .parts.networks import check_module, check_output_shape


class ScatteringGAN(GeneratorMixin, GenerativeModule):
    r"""A generator that follows a tracker of the field of the energy distance.

    The root mean square of the tracked field is logged as `train/field`.

    Arguments:
        tracker: The tracker :math:`T`, from samples :math:`(B, *)` to velocities of the same
            shape, with an unbounded output or one in [-1, 1].
        tracker_weight: The share :math:`\rho`, in [0, 1], of the tracker in the direction that the
            generator follows. With 0, the generator follows the noisy field alone.
        partners: The number of real and of generated samples that each sample meets. Their fields
            are averaged; 1 in the paper.
        generator_optimizer: The optimizer of the generator, by default as fast as the tracker's.
            Its weight decay applies to the weights of dense and (de)convolutional layers only.
        tracker_optimizer: The optimizer of the tracker. Its weight decay applies to the weights of
            dense and (de)convolutional layers only.
        tracker_scheduler: The learning rate schedule of the tracker, stepped once a step.
        discriminator_steps: The number of minibatches that train the tracker for one that trains
            the generator. Each is its own part of the step's batch.

    Raises:
        ValueError: If a number is out of its range, or a network is none.
    """

    def __init__(
        self,
        generator: nn.Module,
        tracker: nn.Module,
        latent_dim: int,
        *,
        tracker_weight: float = 0.5,
        partners: int = 8,
        generator_optimizer: OptimizerCallable = FAST_ADAM,
        generator_scheduler: LRSchedulerCallable | None = None,
        tracker_optimizer: OptimizerCallable = FAST_ADAM,
        tracker_scheduler: LRSchedulerCallable | None = None,
        updates_per_step: int = 1,
        discriminator_steps: int = 1,
        accumulate: int = 1,
        gradient_clip_norm: float | None = None,
        channels_last: bool = False,
        initial_weights: str | None = None,
    ) -> None:
        super().__init__(**base_arguments(ScatteringGAN, locals()))
        check_module("tracker", tracker)
        if not 0 <= tracker_weight <= 1:
            raise ValueError(f"'tracker_weight' should be in [0, 1], got {tracker_weight!r}.")
        self.field = ScatteringField(partners=partners)
        self.tracker = tracker
        self.tracker_weight = tracker_weight
        self.trained.append(Trained(tracker, tracker_optimizer, tracker_scheduler))

    def update(self, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        *earlier, y = y.chunk(self.discriminator_steps)
        for part in earlier:
            self.track(self.draw_samples(len(part)), part)
        whole, z = self.accumulate == 1, self.noise(len(y), self.latent_dim)
        with torch.set_grad_enabled(whole):
            x = [self.generator(part) for part in z.chunk(self.accumulate)]
        loss_t, v = self.track(torch.cat(x).detach(), y)
        # Partners come from the whole minibatch, of which one part at a time has a graph.
        x = x if whole else map(self.generator, z.chunk(self.accumulate))
        losses = map(ascent_loss, x, v.chunk(self.accumulate))
        return {"loss_t": loss_t, "loss_g": self.descend(self.optimizers()[0], losses)}

    def track(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        r"""Makes a step of the tracker.

        Arguments:
            x: The generated samples, with shape :math:`(B, *)`.
            y: The real samples, with shape :math:`(B, *)`.

        Returns:
            The tracker's loss, and the direction :math:`\rho T + (1 - \rho) S` of the tracker
            before its step, with shape :math:`(B, *)`.
        """
        s, tracked = self.scatter(x, y), []
        loss = self.descend(self.optimizers()[1], self.tracker_losses(x, s, tracked))
        t = torch.cat(tracked).to(s.dtype)
        self.note(field=root_mean_square(t))
        return loss, torch.lerp(s, t, self.tracker_weight)

    def scatter(self, x: Tensor, y: Tensor) -> Tensor:
        r"""Returns the noisy field :math:`S` of the global minibatch at this process's samples.

        Arguments:
            x: The generated samples of this process, with shape :math:`(B, *)`.
            y: The real samples of this process, with shape :math:`(B, *)`.

        Returns:
            The field, with shape :math:`(B, *)`, float32 at least.
        """
        x, y = self.gather(x), self.gather(y)
        s = self.field(x, y, x, own=True, random=self.random)
        return s[self.global_rank :: self.world_size]

    def tracker_losses(self, x: Tensor, s: Tensor, tracked: list[Tensor]) -> Iterator[Tensor]:
        r"""Yields the tracker's loss of each part of a minibatch.

        Arguments:
            x: The generated samples, with shape :math:`(B, *)`.
            s: The noisy field at these samples, with shape :math:`(B, *)`.
            tracked: A list to which the tracked field of each part is appended, detached, with
                shape :math:`(B, *)`.

        Yields:
            The losses, scalars.
        """
        for x_part, s_part in zip(x.chunk(self.accumulate), s.chunk(self.accumulate), strict=True):
            t = self.tracker(x_part)
            tracked.append(t.detach())
            yield amortized_loss(t, s_part)

    @property
    def smallest_minibatch(self) -> int:
        # A sample meets another one.
        return 2

    def check(self, y: Tensor) -> None:
        super().check(y)
        shape = tuple(y.shape)
        check_output_shape(
            lambda: self.tracker(y),
            shape,
            f"'model.init_args.tracker' should map the shape of 'data', {shape}, to velocities of "
            "the same shape",
        )
