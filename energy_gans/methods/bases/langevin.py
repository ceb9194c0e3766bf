r"""Methods that sample from a Gibbs density by Langevin chains.

The density is :math:`p(x) \propto e^{\Phi(x)} q(x)`. A network, the descriptor, is the potential
:math:`\Phi`, and the reference :math:`q` is Gaussian or uniform. Samples are the ends of chains
along :math:`\nabla \log p`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, ClassVar

import torch
import torch.nn as nn
from torch import Tensor

from ...checks import check_count
from ...functional import potential_gradient
from ...functional.langevin import Field
from ..parts.chains import Chains, Draw, sampler_of
from ..parts.networks import check_points, evaluation_mode, fixed_parameters
from .capabilities import Frame

# The size from which on an element of an image in [-1, 1] counts as saturated.
_SATURATED = 0.99


class LangevinMixin:
    r"""Gives a :class:`PotentialModule` samples that are the ends of Langevin chains.

    Arguments:
        descriptor: The network :math:`\Phi`, from :math:`(B, *)`, and labels :math:`(B)` if there
            are classes, to :math:`(B, 1)` or :math:`(B)`. It may not use batch statistics, as each
            value has to depend on its own sample alone.
        chains: The description of the chains; 30 steps of size 0.1 that start at a standard normal
            reference if `None`.
        sample_steps: The number of steps of :meth:`sample`, which starts at the reference; that of
            the chains if `None`.
        half_chains: Whether chains compute :math:`\nabla \Phi` in bfloat16. States remain float32.
        compile_gradient: Whether :math:`\nabla \Phi` is compiled, which delays the first step.
        kwargs: The arguments of :class:`PotentialModule`.

    Raises:
        ValueError: If a number is out of its range.
    """

    dynamics: ClassVar = "chains"

    def __init__(
        self,
        chains: Chains | None = None,
        sample_steps: int | None = None,
        half_chains: bool = False,
        compile_gradient: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if sample_steps is not None:
            check_count("sample_steps", sample_steps)
        self.chains = Chains(reference_std=1.0) if chains is None else chains
        self.sample_steps = sample_steps
        self.half_chains, self.compile_gradient = half_chains, compile_gradient
        self.compiled: dict[int, Any] = {}

    @property
    def potential_needs_label(self) -> bool:
        return self.classes is not None

    def gradient(self, network: nn.Module, label: Tensor | None = None) -> Field:
        r"""Returns :math:`\nabla \Phi` of a network, a function of points that keeps no graph.

        Arguments:
            network: The descriptor.
            label: The labels of the points, with shape :math:`(B)`, or `None`.
        """
        if not self.compile_gradient:
            return potential_gradient(lambda a: self.evaluate(network, a, label), self.half_chains)
        if id(network) not in self.compiled:

            def total(a: Tensor, label: Tensor | None) -> Tensor:
                with torch.autocast(a.device.type, torch.bfloat16, enabled=self.half_chains):
                    return self.evaluate(network, a, label).sum()

            self.compiled[id(network)] = torch.compile(torch.func.grad(total))
        return lambda a: self.compiled[id(network)](a, label)

    # Training

    def run_chains(self, network: nn.Module, x: Tensor, label: Tensor | None) -> Tensor:
        r"""Returns the ends of chains, with shape :math:`(B, *)`, and logs their diagnostics.

        Arguments:
            network: The descriptor.
            x: The points at which the chains start, with shape :math:`(B, *)`.
            label: The labels of the chains, with shape :math:`(B)`, or `None`.
        """
        last: list[Tensor] = []
        gradient = self.gradient(network, label)

        def record(a: Tensor) -> Tensor:
            last[:] = [a, gradient(a)]
            return last[1]

        with fixed_parameters(network):
            end = self.chains.end(self.formatted(x), record, self.share_of)
        size = x[0].numel() ** 0.5
        score = self.chains.score(lambda a: last[1])(last[0])
        self.note(
            score_norm=score.flatten(1).norm(dim=1).mean(),
            drift=(end - x).flatten(1).norm(dim=1).mean() / size,
            saturated=(end.abs() >= _SATURATED).float().mean(),
        )
        return end

    def score_of(self, x: Tensor, label: Tensor | None) -> Tensor:
        r"""Returns the score at samples, with shape :math:`(B, *)`, and logs its norm.

        It serves methods that run no chains in training.

        Arguments:
            x: The samples, with shape :math:`(B, *)`.
            label: The labels of the samples, with shape :math:`(B)`, or `None`.
        """
        with fixed_parameters(self.descriptor):
            score = self.chains.score(self.gradient(self.descriptor, label))(x)
        self.note(score_norm=score.flatten(1).norm(dim=1).mean())
        return score

    # Sampling

    def generate(
        self, network: nn.Module, n: int, random: torch.Generator, label: Tensor | None
    ) -> Tensor:
        draw = sampler_of(random, self.device, self.dtype)
        x = self.formatted(self.chains.start(draw, n, self.shape))
        return self.chains.end(x, self.gradient(network, label), draw, self.sample_steps)

    def starting_points(
        self,
        n: int,
        label: Tensor | None = None,
        random: torch.Generator | None = None,
        start: str | None = None,
    ) -> Tensor:
        if start == "generator":
            raise ValueError(
                f"'start' should be 'noise' or 'data' for a {type(self).__name__}, which has no "
                f"generator, got {start!r}."
            )
        return self.chains.start(self.sampler(random), n, self.shape)

    @torch.no_grad()
    def trajectory(
        self,
        x: Tensor,
        frames: int | Sequence[int] = 10,
        label: Tensor | None = None,
        random: torch.Generator | None = None,
    ) -> Iterator[Frame]:
        network, chains = self.sampling_descriptor, self.chains
        if isinstance(frames, int):
            check_count("frames", frames)
            steps = self.sample_steps or chains.steps
            frames = [round(steps * i / frames) for i in range(frames + 1)]
        gradient = self.gradient(network, label)
        score = chains.score(gradient)
        with evaluation_mode(network):
            states = chains.run(x, gradient, self.sampler(random), max(frames))
            for step, state in enumerate(chain([x], states)):
                if step in frames:
                    phi = self.evaluate(network, state, label)
                    yield Frame(step, state, phi, score(state).flatten(1).norm(dim=1))

    # Filling of holes

    @property
    def fill_steps(self) -> int:
        r"""The default number of the chains' steps in :meth:`fill`."""
        return self.chains.steps

    @torch.no_grad()
    def fill(
        self,
        y: Tensor,
        known: Tensor,
        label: Tensor | None = None,
        steps: int | None = None,
        random: torch.Generator | None = None,
    ) -> Tensor:
        check_points("y", y, self.shape)
        check_points("known", known, (1, *self.shape[1:]), self.shape)
        network, m = self.sampling_descriptor, known == 1
        steps, draw = self.fill_steps if steps is None else steps, self.sampler(random)
        with evaluation_mode(network):
            x = self.initial_fill(y, known, draw)
            if steps > 0:
                gradient = self.gradient(network, label)
                x = self.chains.end(x, lambda x: gradient(torch.where(m, y, x)), draw, steps)
        return torch.where(m, y, x.clamp(-1, 1))

    def initial_fill(self, y: Tensor, known: Tensor, draw: Draw) -> Tensor:
        r"""Returns the initial images of chains in :meth:`fill`, with shape :math:`(B, C, H, W)`.

        Arguments:
            y: The images, with shape :math:`(B, C, H, W)`.
            known: The masks, 1 where a pixel is known, with shape :math:`(B, 1, H, W)`.
            draw: See :meth:`Chains.start`.
        """
        # `len(y)` would fix the batch size of an ONNX file.
        return self.chains.start(draw, y.shape[0], self.shape)
