r"""Methods whose potential is a network: the descriptor :math:`\Phi`, high where real data is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from ...checks import check_count
from ..parts.chains import Draw, sampler_of
from ..parts.networks import check_output_shape, check_shape, evaluating
from .generative import GenerativeModule


class PotentialModule(GenerativeModule):
    r"""Creates a method with a descriptor.

    Arguments:
        descriptor: The network :math:`\Phi`, from :math:`(B, *)` to :math:`(B, 1)` or :math:`(B)`. It
            may not use batch statistics: each value is that of its own sample.
        shape: The shape of a sample.
        classes: The number of classes of a class-conditional model; `None` for one without labels.
        descriptor_optimizer: The optimizer of the descriptor. Its weight decay is applied to the
            weights of dense and convolutional layers only.
        descriptor_scheduler: The learning rate schedule, stepped once a step.
        kwargs: The arguments of :class:`GenerativeModule`.

    Raises:
        ValueError: If `classes` is not positive.
    """

    def __init__(
        self,
        descriptor: nn.Module,
        shape: list[int],
        classes: int | None = None,
        descriptor_optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=1e-4),
        descriptor_scheduler: LRSchedulerCallable | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if classes is not None:
            check_count("classes", classes)
        self.descriptor, self.shape, self.classes = descriptor, tuple(shape), classes
        self.trained.append((descriptor, descriptor_optimizer, descriptor_scheduler))

    # The potential

    def evaluate(
        self,
        network: nn.Module,
        a: Tensor,
        label: Tensor | None = None,
        time: Tensor | None = None,
    ) -> Tensor:
        r"""Returns the potential that a network gives, with shape :math:`(B)`, in float32 at least.

        Arguments:
            network: The descriptor, or a moving average of it.
            a: The points, with shape :math:`(B, *)`.
            label: Their labels, with shape :math:`(B)`, or `None`.
            time: Their times, with shape :math:`(B)`, or `None`.
        """
        inputs = [a] if label is None else [a, label]
        phi = network(*inputs) if time is None else network(*inputs, time=time)
        return phi.flatten().to(torch.promote_types(phi.dtype, torch.float32))

    def conditions(
        self, a: Tensor, label: int | Tensor | None, time: float | Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        r"""Returns the labels and the times of points, each with shape :math:`(B)` or `None`.

        Raises:
            ValueError: If a label is missing, or one or a time is given that the potential does not know.
        """
        self.check_conditions(label, time)
        labels = None if label is None else torch.as_tensor(label, device=a.device).expand(len(a))
        if not self.time_conditioned:
            return labels, None
        time = 1.0 if time is None else time
        return labels, torch.as_tensor(time, dtype=a.dtype, device=a.device).expand(len(a))

    def potential(
        self, a: Tensor, label: int | Tensor | None = None, time: float | Tensor | None = None
    ) -> Tensor:
        r"""Returns the potential :math:`\Phi(a)` of the descriptor as it is being trained.

        The arguments are those of :meth:`potential_at`.
        """
        return self.evaluate(self.descriptor, a, *self.conditions(a, label, time))

    def potential_at(
        self, a: Tensor, label: int | Tensor | None = None, time: float | Tensor | None = None
    ) -> Tensor:
        network = self.sampling_descriptor
        with evaluating(network):
            return self.evaluate(network, a, *self.conditions(a, label, time))

    @property
    def ema_source(self) -> nn.Module:
        return self.descriptor

    @property
    def sampling_descriptor(self) -> nn.Module:
        r"""The descriptor that :meth:`sample` uses: of the moving average if there is one."""
        return self.sampling_network

    @property
    def sample_shape(self) -> tuple[int, ...]:
        return self.shape

    def drawn_from(self, random: torch.Generator | None) -> Draw:
        r"""Returns what draws from a generator, or from a new one of arbitrary seed."""
        if random is None:
            random = torch.Generator(self.device)
            random.seed()
        return sampler_of(random, self.device)

    # The checks

    def check(self, y: Tensor) -> None:
        check_shape(self.shape, y)
        self.check_descriptor(self.descriptor, y)

    def check_descriptor(self, network: nn.Module, y: Tensor) -> None:
        r"""Raises a `ValueError` unless a descriptor gives each sample one value of its own."""
        label = 0 if self.potential_needs_label else None

        def evaluate(network: nn.Module) -> Callable[[Tensor], Tensor]:
            return lambda a: self.evaluate(network, a, *self.conditions(a, label, None))

        check_output_shape(
            lambda: evaluate(network)(y),
            (len(y),),
            f"'model.init_args.descriptor' should map the shape of 'data', {tuple(y.shape)}"
            f"{self.labels_in_words()}, to {(len(y), 1)}",
        )
        check_independent(evaluate, network, y)

    def labels_in_words(self) -> str:
        r"""Returns which labels besides those of classes the descriptor has to take, in words."""
        return ""


def check_independent(
    evaluate: Callable[[nn.Module], Callable[[Tensor], Tensor]], network: nn.Module, y: Tensor
) -> None:
    r"""Raises a `ValueError` if a network in training couples the samples of a batch.

    Arguments:
        evaluate: Returns the potential of a network, from :math:`(B, *)` to :math:`(B)`.
        network: The network.
        y: Samples, with shape :math:`(B, *)`.
    """
    potential = evaluate(copy.deepcopy(network).train())
    with torch.enable_grad():
        a = y.detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(potential(a)[0], a)
    if len(y) > 1 and slope[1:].abs().max() > 0:
        raise ValueError(
            "'model.init_args.descriptor' should give each sample a value of its own, got one that "
            "uses batch statistics: batch norm couples samples, and their gradients are then not "
            "those of a potential."
        )
