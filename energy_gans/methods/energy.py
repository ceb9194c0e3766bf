r"""Methods with an energy: a Gibbs density whose samples are the ends of Langevin chains.

The density is :math:`p(x) \propto e^{\Phi(x)} q(x)`. A network, the descriptor, is the potential
:math:`\Phi`, and :math:`q` the reference, Gaussian or even. Chains that climb
:math:`\nabla \log p` draw from it.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from ..functional import gibbs_score, potential_gradient
from ..functional.checks import check_count
from ..functional.langevin import Field
from .base import GenerativeModule
from .chains import Chains, drawer
from .handling import check_shape, fitted, frozen

SATURATED = 0.99


class EnergyModule(GenerativeModule):
    r"""Creates a method with a descriptor.

    Arguments:
        descriptor: The network :math:`\Phi`, from :math:`(B, *)`, and labels :math:`(B)` if there are
            classes, to :math:`(B, 1)` or :math:`(B)`. It may not use batch statistics: each value is
            that of its own sample.
        shape: The shape of a sample.
        chains: The chains.
        classes: The number of classes of a class-conditional model; `None` for one without labels.
        sample_steps: The number of steps with which :meth:`sample` draws, from the reference on;
            that of the chains if `None`.
        descriptor_optimizer: The optimizer of the descriptor. Its weight decay is applied to the
            weights of dense and convolutional layers only.
        descriptor_scheduler: The learning rate schedule, stepped once a step.
        half_chains: Whether chains compute :math:`\nabla \Phi` in bfloat16; states stay float32.
        compile_gradient: Whether :math:`\nabla \Phi` is compiled, which takes a while at first.
        kwargs: The arguments of :class:`GenerativeModule`.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(
        self,
        descriptor: nn.Module,
        shape: list[int],
        chains: Chains,
        classes: int | None = None,
        sample_steps: int | None = None,
        descriptor_optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=1e-4),
        descriptor_scheduler: LRSchedulerCallable | None = None,
        half_chains: bool = False,
        compile_gradient: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, count in (("classes", classes), ("sample_steps", sample_steps)):
            if count is not None:
                check_count(name, count)
        self.descriptor = descriptor
        self.shape, self.chains, self.classes = tuple(shape), chains, classes
        self.sample_steps = sample_steps
        self.half_chains, self.compile_gradient = half_chains, compile_gradient
        self.compiled: dict[int, Any] = {}
        self.trained.append((descriptor, descriptor_optimizer, descriptor_scheduler))

    # The potential

    def evaluate(self, network: nn.Module, a: Tensor, label: Tensor | None = None) -> Tensor:
        r"""Returns the potential that a network gives, with shape :math:`(B)`, in float32 at least."""
        phi = network(a) if label is None else network(a, label)
        return phi.flatten().to(torch.promote_types(phi.dtype, torch.float32))

    def potential(self, a: Tensor, label: Tensor | None = None) -> Tensor:
        r"""Returns the potential :math:`\Phi(a)`, high where real data is.

        Arguments:
            a: The points, with shape :math:`(B, *)`.
            label: Their labels, with shape :math:`(B)`, for class-conditional models.

        Returns:
            The potential, with shape :math:`(B)`, in float32 at least.
        """
        return self.evaluate(self.descriptor, a, label)

    def gradient(self, network: nn.Module, label: Tensor | None = None) -> Field:
        r"""Returns :math:`\nabla \Phi` of a network, which keeps no graph."""
        if not self.compile_gradient:
            return potential_gradient(lambda a: self.evaluate(network, a, label), self.half_chains)
        if id(network) not in self.compiled:

            def total(a: Tensor, label: Tensor | None) -> Tensor:
                with torch.autocast(a.device.type, torch.bfloat16, enabled=self.half_chains):
                    return self.evaluate(network, a, label).sum()

            self.compiled[id(network)] = torch.compile(torch.func.grad(total))
        return lambda a: self.compiled[id(network)](a, label)

    def first_label(self, y: Tensor) -> Tensor | None:
        r"""Returns the label 0 for each sample, or `None` if there are no classes."""
        if self.classes is None:
            return None
        return torch.zeros(len(y), dtype=torch.long, device=y.device)

    # The chains

    def climbed(self, network: nn.Module, x: Tensor, label: Tensor | None) -> Tensor:
        r"""Returns where the step's chains end that start at `x`, and notes how they fared."""
        steepness: list[Tensor] = []
        gradient = self.gradient(network, label)

        def noted(a: Tensor) -> Tensor:
            steepness[:] = [gradient(a)]
            return steepness[0]

        with frozen(network):
            end = self.chains.end(self.formatted(x), noted, self.share_of)
        size = x[0].numel() ** 0.5
        self.note(
            score_norm=steepness[0].flatten(1).norm(dim=1).mean(),
            drift=(end - x).flatten(1).norm(dim=1).mean() / size,
            saturated=(end.abs() >= SATURATED).float().mean(),
        )
        return end

    def moves(self, x: Tensor, label: Tensor | None) -> Tensor:
        r"""Returns the score of samples that have no chains, with shape :math:`(B, *)`, and notes its norm."""
        with frozen(self.descriptor):
            gradient = self.gradient(self.descriptor, label)
            score = gibbs_score(gradient, self.chains.reference_std, self.chains.clip_gradient)(x)
        self.note(score_norm=score.flatten(1).norm(dim=1).mean())
        return score

    @property
    def sampled_network(self) -> nn.Module:
        return self.descriptor

    @property
    def shown_descriptor(self) -> nn.Module:
        r"""The descriptor of whole samples, of the moving average if there is one."""
        return self.shown_network

    def generate(
        self, network: nn.Module, n: int, random: torch.Generator, label: Tensor | None
    ) -> Tensor:
        draw = drawer(random, self.device)
        x = self.formatted(self.chains.start(draw, n, self.shape))
        return self.chains.end(x, self.gradient(network, label), draw, self.sample_steps)

    # The checks

    def check(self, y: Tensor) -> None:
        check_shape(self.shape, y)
        self.check_descriptor(self.descriptor, y)

    def check_descriptor(self, network: nn.Module, y: Tensor) -> None:
        r"""Raises a `ValueError` unless a descriptor gives each sample one value of its own."""
        b = len(y)
        label = self.first_label(y)
        fitted(
            lambda: self.evaluate(network, y, label),
            (b,),
            f"'model.init_args.descriptor' should map the shape of 'data', {tuple(y.shape)}, to "
            f"{(b, 1)}",
        )
        check_independent(lambda network, a: self.evaluate(network, a, label), network, y)


def check_independent(evaluate: Any, network: nn.Module, y: Tensor) -> None:
    r"""Raises a `ValueError` if a network in training couples the samples of a batch."""
    probe = copy.deepcopy(network).train()
    with torch.enable_grad():
        a = y.detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(evaluate(probe, a)[0], a)
    if len(y) > 1 and slope[1:].abs().max() > 0:
        raise ValueError(
            "'model.init_args.descriptor' should give each sample a value of its own, got one that "
            "uses batch statistics: batch norm couples samples, and their gradients are then not "
            "those of a potential."
        )
