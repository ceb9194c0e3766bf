r"""The generalized generative ConvNet: a generator learns to sample like chains of a potential.

Each update draws latents :math:`z` and moves the samples :math:`x = G(z)` by Langevin chains to
:math:`\tilde x`. The descriptor is trained with :math:`\tilde x`, as in a generative ConvNet
(:mod:`energy_gans.methods.gcn`). Then generator and latents are updated, once for several
minibatches of the descriptor (Algorithm 2):

.. math::
    \eta & \leftarrow \eta - \lambda_\eta \nabla_\eta
        \textstyle \frac{1}{n} \sum_i \|G(z_i) - \tilde x_i\|^2  \\
    z_i & \leftarrow z_i - \lambda_z \nabla_{z_i} \|G(z_i) - \tilde x_i\|^2

Amortised sampling runs no chains. To first order in :math:`\tilde x - x`, both steps climb the
potential:

.. math::
    \eta \leftarrow \eta + \lambda_\eta \nabla_\eta
        \textstyle \frac{1}{n} \sum_i \langle G(z_i), \Delta x_i \rangle
    \qquad z_i \leftarrow z_i + \lambda_z \nabla_{z_i} \langle G(z_i), \Delta x_i \rangle

Here :math:`\Delta x` is the score, or Stein's direction, which alone keeps samples apart.

The paper leaves three things open. Here, the replay buffer stores latents that are learned with
their images, and a share of them is drawn anew; other latents are drawn anew in every update. In
amortised sampling, the generator is updated before the descriptor. The Wasserstein term then takes
:math:`G(z)` before and after the generator's step as :math:`x_{t-1}` and :math:`x_t`; for
minibatches without a step of the generator, both are equal.

References:
    Generalizing Energy-based Generative ConvNets from Particle Evolution Perspective (Wu et al.,
    2019), Algorithm 2, https://arxiv.org/abs/1910.14216
    Cooperative Training of Descriptor and Generator Networks (Xie et al., 2020),
    https://arxiv.org/abs/1609.09408
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import torch
import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from ..checks import check_count, check_positive
from ..functional import amortized_loss, ascent_loss, stein_direction
from .bases.arguments import base_arguments
from .bases.contrastive import ContrastiveModule
from .bases.generator import CooperativeMixin, check_generator
from .bases.optimizers import ADAM, SLOWEST_ADAM
from .bases.replay import ReplayMixin
from .parts.chains import Chains, sampler_of
from .parts.networks import fixed_parameters
from .parts.replay_buffer import State

_Objective = Callable[[Tensor], Tensor]
_STARTS = ("generator", "persistent")


class GGCN(CooperativeMixin, ReplayMixin, ContrastiveModule):
    r"""The generalized generative ConvNet of Wu et al.

    Arguments:
        generator: The generator :math:`G`, from latents :math:`(B, Z)`, and labels :math:`(B)` if
            there are classes, to :math:`(B, *)`.
        latent_dim: The number :math:`Z` of standard normal latents.
        learn_hidden_space: Whether latents are learned, too.
        latent_step_size: The step size :math:`\lambda_z` of latents.
        amortized_sampling: Whether the generator climbs the potential itself, without chains.
        repulsion: Whether amortised samples move along Stein's direction, which keeps them apart.
        start: The start of chains: samples of the `"generator"`, or `"persistent"`, images of the
            replay buffer. The share `restart` of persistent chains starts at generated samples.
        buffer_size: The number of states in the replay buffer, images with their latents, a
            multiple of the minibatch. If both are equal, the buffer holds one chain for each place
            of the minibatch.
        discriminator_steps: The number of minibatches that train the descriptor for one that
            trains the generator, 4 in the paper.
        accumulate: 1, as minibatches are not split.
        sample_steps: The number of Langevin steps from the generator's samples in :meth:`sample`.

    Raises:
        ValueError: If an argument is out of its range.
    """

    # As in the GGCN paper: straight lines between latents in [-1, 1].
    latent_path: ClassVar = ("linear", 1.0)

    def __init__(
        self,
        generator: nn.Module,
        descriptor: nn.Module,
        shape: list[int],
        latent_dim: int,
        chains: Chains | None = None,
        *,
        start: str = "generator",
        learn_hidden_space: bool = True,
        latent_step_size: float = 0.1,
        amortized_sampling: bool = False,
        repulsion: bool = False,
        gamma: float = 0.0,
        penalized: Literal["all", "head"] = "all",
        magnitude: float = 0.0,
        classes: int | None = None,
        buffer_size: int = 4096,
        restart: float = 0.0,
        buffer_dtype: Literal["float32", "uint8"] = "float32",
        buffer_folder: str | None = None,
        sample_steps: int = 0,
        half_chains: bool = False,
        compile_gradient: bool = False,
        generator_optimizer: OptimizerCallable = ADAM,
        generator_scheduler: LRSchedulerCallable | None = None,
        descriptor_optimizer: OptimizerCallable = SLOWEST_ADAM,
        descriptor_scheduler: LRSchedulerCallable | None = None,
        updates_per_step: int = 1,
        discriminator_steps: int = 1,
        accumulate: int = 1,
        gradient_clip_norm: float | None = None,
        channels_last: bool = False,
        initial_weights: str | None = None,
    ) -> None:
        # `sample_steps` counts from the generator's samples here.
        super().__init__(**base_arguments(GGCN, locals()) | {"sample_steps": None})
        if start not in _STARTS:
            raise ValueError(f"'start' should be one of {_STARTS}, got {start!r}.")
        check_count("latent_dim", latent_dim)
        check_positive("latent_step_size", latent_step_size)
        if sample_steps < 0:
            raise ValueError(f"'sample_steps' should not be negative, got {sample_steps!r}.")
        if self.accumulate != 1:
            raise ValueError(f"'accumulate' should be 1 for a GGCN, got {self.accumulate}.")
        if repulsion and not amortized_sampling:
            raise ValueError(
                "'repulsion' should be false without amortised sampling: noise keeps chains apart."
            )
        if amortized_sampling and start != "generator":
            raise ValueError(
                "'start' should be 'generator' for amortised sampling, which has no chains, got "
                f"{start!r}."
            )
        self.latent_dim = latent_dim
        self.learn_hidden_space, self.latent_step_size = learn_hidden_space, latent_step_size
        self.amortized_sampling, self.repulsion = amortized_sampling, repulsion
        self.start, self.sample_steps = start, sample_steps

    @property
    def replays(self) -> bool:
        return super().replays or self.learn_hidden_space

    # The update

    def update(self, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        n = self.discriminator_steps
        labels = [None] * n if label is None or self.classes is None else label.chunk(n)
        step = self.amortized_update if self.amortized_sampling else self.cooperative_update
        return step(list(zip(y.chunk(n), labels, strict=True)))

    def cooperative_update(self, parts: list[tuple[Tensor, Tensor | None]]) -> dict[str, Tensor]:
        r"""Updates the descriptor for each part of a minibatch, then generator and latents.

        Arguments:
            parts: The samples, with shape :math:`(B, *)`, and the labels, with shape :math:`(B)`
                or `None`, of each part.

        Returns:
            The losses, scalars, by name.
        """
        optimizer_d, _ = self.optimizers()
        for i, (y, label) in enumerate(parts):
            state = self.initial_states(y, label)
            label_x = state.get("label")
            x = self.run_chains(self.descriptor, state["x"], label_x)
            losses = self.losses(self.descriptor, state["x"], x, label_x, y, label)
            loss_d = self.descend(optimizer_d, losses)
            if i == len(parts) - 1:
                loss_g = self.update_generator(state, lambda g, x=x: amortized_loss(g, x))
            self.store_states(state | {"x": x})
        return {"loss_d": loss_d, "loss_g": loss_g}

    def amortized_update(self, parts: list[tuple[Tensor, Tensor | None]]) -> dict[str, Tensor]:
        r"""Updates generator and latents, then the descriptor for each part of a minibatch.

        Arguments:
            parts: The samples, with shape :math:`(B, *)`, and the labels, with shape :math:`(B)`
                or `None`, of each part.

        Returns:
            The losses, scalars, by name.
        """
        optimizer_d, _ = self.optimizers()
        for i, (y, label) in enumerate(parts):
            state = self.initial_states(y, label)
            before, label_x = state["x"], state.get("label")
            if i == 0:
                direction = self.ascent_direction(before, label_x)
                loss_g = self.update_generator(state, lambda g, d=direction: ascent_loss(g, d))
                state["x"] = self.generate_detached(state)
            losses = self.losses(self.descriptor, before, state["x"], label_x, y, label)
            loss_d = self.descend(optimizer_d, losses)
            self.store_states(state)
        return {"loss_d": loss_d, "loss_g": loss_g}

    def update_generator(self, state: State, objective: _Objective) -> Tensor:
        r"""Updates the generator, and then latents in place.

        Arguments:
            state: The states of the minibatch: `z`, and `label` if there are classes.
            objective: The loss of generated samples :math:`(B, *)`, a mean over them.

        Returns:
            The loss, a scalar.
        """
        _, optimizer_g = self.optimizers()
        inputs = [state[name] for name in ("z", "label") if name in state]
        loss = self.descend(optimizer_g, [objective(self.generator(*inputs))])
        if self.learn_hidden_space:
            with fixed_parameters(self.generator):
                z = state["z"].detach().requires_grad_()
                total = objective(self.generator(z, *inputs[1:])) * len(z)
                (slope,) = torch.autograd.grad(total, z)
            state["z"] = z.detach() - self.latent_step_size * slope
        return loss

    def ascent_direction(self, x: Tensor, label: Tensor | None) -> Tensor:
        r"""Returns the directions :math:`\Delta x` in which samples ascend.

        Arguments:
            x: The samples, with shape :math:`(B, *)`.
            label: Their labels, with shape :math:`(B)`, or `None`.

        Returns:
            The directions, with shape :math:`(B, *)`.
        """
        score = self.score_of(x, label)
        if not self.repulsion:
            return score
        return stein_direction(x, self.gather(x), self.gather(score))

    # The states of chains

    def initial_states(self, y: Tensor, label: Tensor | None) -> State:
        r"""Returns the states at which the update's chains start.

        Arguments:
            y: The real samples, with shape :math:`(B, *)`.
            label: Their labels, with shape :math:`(B)`, or `None`.

        Returns:
            The points `x`, with shape :math:`(B, *)`, their latents `z`, with shape
            :math:`(B, Z)`, and `label`, if there are classes.
        """
        state = {} if label is None else {"label": label}
        state["z"] = self.noise(len(y), self.latent_dim)
        if self.start == "persistent":
            return self.replay(state | {"x": self.generate_detached(state)})
        if self.learn_hidden_space:
            # The buffer only needs the shape of images, as the generator maps replayed latents to
            # them.
            state = self.replay(state | {"x": y})
        return state | {"x": self.generate_detached(state)}

    def store_states(self, state: State) -> None:
        r"""Stores latents and the ends of chains, if later updates replay them."""
        if self.replays:
            self.buffer.store(state)

    def generate_detached(self, state: State) -> Tensor:
        r"""Returns the generator's samples of the states' latents, without gradients.

        Returns:
            The samples, with shape :math:`(B, *)`.
        """
        with torch.no_grad():
            return self.generator(*(state[name] for name in ("z", "label") if name in state))

    # Sampling

    def generate(
        self, network: nn.Module, n: int, random: torch.Generator, label: Tensor | None
    ) -> Tensor:
        draw = sampler_of(random, self.device, self.dtype)
        z = draw(torch.randn, n, self.latent_dim)
        x = self.formatted(network["generator"](*[z] if label is None else [z, label]))
        if self.sample_steps == 0:
            return x
        gradient = self.gradient(network["descriptor"], label)
        return self.chains.end(x, gradient, draw, self.sample_steps)

    def starting_points(
        self,
        n: int,
        label: Tensor | None = None,
        random: torch.Generator | None = None,
        start: str | None = None,
    ) -> Tensor:
        if start == "noise":
            return super().starting_points(n, label, random, start)
        return self.decode(self.sampler(random)(torch.randn, n, self.latent_dim), label)

    @property
    def latent_network(self) -> nn.Module:
        return self.sampling_network["generator"]

    def check(self, y: Tensor) -> None:
        super().check(y)
        check_generator(self.generator, y, self.latent_dim, self.classes)
