r"""The generalized generative ConvNet: a generator learns to come where chains of the potential go.

Each update draws latents :math:`z`, moves the samples :math:`x = G(z)` by Langevin chains to
:math:`\tilde x`, teaches the descriptor as a ConvNet's (:mod:`energy_gans.methods.gcn`) with
:math:`\tilde x`, and then, once for several minibatches of the descriptor, generator and latents
(Algorithm 2):

.. math::
    \eta & \leftarrow \eta - \lambda_\eta \nabla_\eta \textstyle \frac{1}{n} \sum_i \|G(z_i) - \tilde x_i\|^2  \\
    z_i & \leftarrow z_i - \lambda_z \nabla_{z_i} \|G(z_i) - \tilde x_i\|^2

With amortised sampling there are no chains. The first order of both steps in :math:`\tilde x - x` is
to climb the potential:

.. math::
    \eta \leftarrow \eta + \lambda_\eta \nabla_\eta \textstyle \frac{1}{n} \sum_i \langle G(z_i), \Delta x_i \rangle
    \qquad z_i \leftarrow z_i + \lambda_z \nabla_{z_i} \langle G(z_i), \Delta x_i \rangle

with :math:`\Delta x` the score, or Stein's direction, without which nothing keeps samples apart.

Choices of ours where the paper leaves them open. Latents that are learned live in the replay buffer
beside the images they belong to, and a share of them is drawn anew; those that are not learned are
drawn anew at every update. Amortised, the generator moves before the descriptor, and the
Wasserstein term goes from :math:`G(z)` before to :math:`G(z)` after its step; between such steps both
are the same.

References:
    Generalizing Energy-based Generative ConvNets from Particle Evolution Perspective (Wu et al.,
    2019), Algorithm 2, https://arxiv.org/abs/1910.14216
    Cooperative Training of Descriptor and Generator Networks (Xie et al., 2020),
    https://arxiv.org/abs/1609.09408
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import torch
import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from ..checks import check_count, check_positive
from ..functional import amortized_loss, ascent_loss, stein_direction
from .bases.contrastive import ContrastiveModule
from .bases.generator import check_generator
from .parts.chains import sampler_of
from .parts.networks import frozen
from .parts.replay_buffer import ReplayBuffer, State

Objective = Callable[[Tensor], Tensor]
STARTS = ("generator", "persistent")


class GGCN(ContrastiveModule):
    r"""Creates a generalized generative ConvNet.

    Arguments:
        generator: The generator :math:`G`, from :math:`(B, Z)`, and labels :math:`(B)` if there are
            classes, to :math:`(B, *)`.
        latent_dim: The number :math:`Z` of standard normal latents.
        learn_hidden_space: Whether latents are learned, too.
        latent_step_size: The step size :math:`\lambda_z` of latents.
        amortized_sampling: Whether the generator climbs the potential itself, without chains.
        repulsion: Whether amortised samples climb along Stein's direction, which keeps them apart.
        start: Where chains start: at `"generator"`'s samples, or `"persistent"`, from the images of
            the replay buffer but for the share `restart`, which starts at generated ones.
        buffer_size: The number of states in the replay buffer of images and latents, a multiple of the
            minibatch; equal to it, the buffer holds one chain for each place.
        restart: The share of persistent chains that start from new latents.
        buffer_dtype: How images are kept, `"float32"` or `"uint8"`.
        buffer_folder: The folder of the file that holds the images; memory if `None`.
        sample_steps: The number of steps by which chains move the generator's samples in
            :meth:`sample`.
        generator_optimizer: The optimizer of the generator. Its weight decay is applied to the
            weights of dense and (de)convolutional layers only.
        generator_scheduler: The learning rate schedule of the generator, stepped once a step.
        kwargs: The arguments of :class:`ContrastiveModule`. `discriminator_steps` is the number of the
            descriptor's minibatches for one of the generator, 4 in the paper.

    Raises:
        ValueError: If an argument is out of its range.
    """

    # The GGCN paper's: straight lines between latents in [-1, 1].
    latent_path: ClassVar = ("linear", 1.0)

    def __init__(
        self,
        generator: nn.Module,
        latent_dim: int,
        learn_hidden_space: bool = True,
        latent_step_size: float = 0.1,
        amortized_sampling: bool = False,
        repulsion: bool = False,
        start: str = "generator",
        buffer_size: int = 4096,
        restart: float = 0.0,
        buffer_dtype: Literal["float32", "uint8"] = "float32",
        buffer_folder: str | None = None,
        sample_steps: int = 0,
        generator_optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=1e-4),
        generator_scheduler: LRSchedulerCallable | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if start not in STARTS:
            raise ValueError(f"'start' should be one of {STARTS}, got {start!r}.")
        check_count("latent_dim", latent_dim)
        check_positive("latent_step_size", latent_step_size)
        if sample_steps < 0:
            raise ValueError(f"'sample_steps' should not be negative, got {sample_steps!r}.")
        if self.accumulate != 1:
            raise ValueError(f"'accumulate' should be 1 for a GGCN, got {self.accumulate}.")
        if repulsion and not amortized_sampling:
            raise ValueError("'repulsion' is of amortised sampling: chains have noise instead.")
        if amortized_sampling and start != "generator":
            raise ValueError(
                f"'start' should be 'generator' for amortised sampling, which has no chains, got {start!r}."
            )
        self.generator, self.latent_dim = generator, latent_dim
        self.learn_hidden_space, self.latent_step_size = learn_hidden_space, latent_step_size
        self.amortized_sampling, self.repulsion = amortized_sampling, repulsion
        self.start, self.sample_steps = start, sample_steps
        self.buffer = ReplayBuffer(buffer_size, restart, buffer_dtype, buffer_folder)
        self.trained.append((generator, generator_optimizer, generator_scheduler))

    # The update

    def update(self, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        n = self.discriminator_steps
        labels = [None] * n if label is None or self.classes is None else label.chunk(n)
        step = self.amortized_update if self.amortized_sampling else self.cooperative_update
        return step(list(zip(y.chunk(n), labels, strict=True)))

    def cooperative_update(self, parts: list[tuple[Tensor, Tensor | None]]) -> dict[str, Tensor]:
        r"""Moves the descriptor by each part of a minibatch, then generator and latents."""
        optimizer_d, _ = self.optimizers()
        for i, (y, label) in enumerate(parts):
            state = self.starts(y, label)
            label_x = state.get("label")
            x = self.run_chains(self.descriptor, state["x"], label_x)
            losses = self.losses(self.descriptor, state["x"], x, label_x, y, label)
            loss_d = self.descend(optimizer_d, losses)
            if i == len(parts) - 1:
                loss_g = self.follow(state, lambda g, x=x: amortized_loss(g, x))
            self.remember(state | {"x": x})
        return {"loss_d": loss_d, "loss_g": loss_g}

    def amortized_update(self, parts: list[tuple[Tensor, Tensor | None]]) -> dict[str, Tensor]:
        r"""Moves generator and latents, then the descriptor by each part of a minibatch."""
        optimizer_d, _ = self.optimizers()
        for i, (y, label) in enumerate(parts):
            state = self.starts(y, label)
            before, label_x = state["x"], state.get("label")
            if i == 0:
                direction = self.direction(before, label_x)
                loss_g = self.follow(state, lambda g, d=direction: ascent_loss(g, d))
                state["x"] = self.generated(state)
            losses = self.losses(self.descriptor, before, state["x"], label_x, y, label)
            loss_d = self.descend(optimizer_d, losses)
            self.remember(state)
        return {"loss_d": loss_d, "loss_g": loss_g}

    def follow(self, state: State, objective: Objective) -> Tensor:
        r"""Moves the generator down an objective of its samples, and then the latents in place.

        Arguments:
            state: What the minibatch's chains hold: `z`, and `label` if there are classes.
            objective: The loss of samples, with shape :math:`(B, *)`, a mean over them.
        """
        _, optimizer_g = self.optimizers()
        inputs = [state[name] for name in ("z", "label") if name in state]
        loss = self.descend(optimizer_g, [objective(self.generator(*inputs))])
        if self.learn_hidden_space:
            with frozen(self.generator):
                z = state["z"].detach().requires_grad_()
                total = objective(self.generator(z, *inputs[1:])) * len(z)
                (slope,) = torch.autograd.grad(total, z)
            state["z"] = z.detach() - self.latent_step_size * slope
        return loss

    def direction(self, x: Tensor, label: Tensor | None) -> Tensor:
        r"""Returns the moves :math:`\Delta x` that samples are to make, with shape :math:`(B, *)`."""
        score = self.score_of(x, label)
        if not self.repulsion:
            return score
        return stein_direction(x, self.gather(x), self.gather(score))

    # The latents

    def starts(self, y: Tensor, label: Tensor | None) -> State:
        r"""Returns where chains start: `x`, with shape :math:`(B, *)`, `z`, :math:`(B, Z)`, and `label`."""
        state = {} if label is None else {"label": label}
        state["z"] = self.noise(len(y), self.latent_dim)
        if self.start == "persistent":
            return self.replay(state | {"x": self.generated(state)})
        if self.learn_hidden_space:
            # Of images only the shape matters: the generator makes them anew.
            state = self.replay(state | {"x": y})
        return state | {"x": self.generated(state)}

    def remember(self, state: State) -> None:
        r"""Keeps latents, and where chains have come to, for later updates."""
        if self.start == "persistent" or self.learn_hidden_space:
            self.buffer.store(state)

    def generated(self, state: State) -> Tensor:
        r"""Returns the generator's samples of latents, which carry no gradient."""
        with torch.no_grad():
            return self.generator(*(state[name] for name in ("z", "label") if name in state))

    # Sampling

    @property
    def ema_source(self) -> nn.Module:
        return nn.ModuleDict({"generator": self.generator, "descriptor": self.descriptor})

    def generate(
        self, network: nn.Module, n: int, random: torch.Generator, label: Tensor | None
    ) -> Tensor:
        draw = sampler_of(random, self.device)
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
        return self.decode(self.drawn_from(random)(torch.randn, n, self.latent_dim), label)

    @property
    def sampling_descriptor(self) -> nn.Module:
        return self.sampling_network["descriptor"]

    @property
    def latent_network(self) -> nn.Module:
        return self.sampling_network["generator"]

    def check(self, y: Tensor) -> None:
        super().check(y)
        check_generator(self.generator, y, self.latent_dim, self.classes)
