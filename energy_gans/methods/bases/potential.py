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
from ..parts.networks import (
    check_module,
    check_output_shape,
    check_points,
    check_shape,
    evaluation_mode,
)
from .generative import GenerativeModule
from .optimizers import ADAM, Trained


class PotentialModule(GenerativeModule):
    r"""A method with a descriptor.

    Arguments:
        descriptor: The network :math:`\Phi`, from :math:`(B, *)` to :math:`(B, 1)` or :math:`(B)`.
            It may not use batch statistics, as each value has to depend on its own sample alone.
        shape: The shape of a sample.
        classes: The number of classes of a class-conditional model, or `None` for a model without
            labels.
        descriptor_optimizer: The optimizer of the descriptor. Its weight decay applies to the
            weights of dense and convolutional layers only.
        descriptor_scheduler: The learning rate schedule of the descriptor, stepped once a step.
        kwargs: The arguments of :class:`GenerativeModule`.

    Raises:
        ValueError: If `classes` is not positive, or `descriptor` is no network.
    """

    def __init__(
        self,
        descriptor: nn.Module,
        shape: list[int],
        classes: int | None = None,
        descriptor_optimizer: OptimizerCallable = ADAM,
        descriptor_scheduler: LRSchedulerCallable | None = None,
        **kwargs: Any,
    ) -> None:
        check_module("descriptor", descriptor)
        super().__init__(**kwargs)
        if classes is not None:
            check_count("classes", classes)
        self.descriptor, self.shape, self.classes = descriptor, tuple(shape), classes
        self.trained.append(Trained(descriptor, descriptor_optimizer, descriptor_scheduler))

    # The potential

    def evaluate(
        self,
        network: nn.Module,
        a: Tensor,
        label: Tensor | None = None,
        time: Tensor | None = None,
    ) -> Tensor:
        r"""Returns the potential by a network, with shape :math:`(B)`, in float32 at least.

        Arguments:
            network: The descriptor, or its moving average.
            a: The points, with shape :math:`(B, *)`.
            label: The labels of the points, with shape :math:`(B)`, or `None`.
            time: The times of the points, with shape :math:`(B)`, or `None`.
        """
        inputs = [a] if label is None else [a, label]
        phi = network(*inputs) if time is None else network(*inputs, time=time)
        return phi.flatten().to(torch.promote_types(phi.dtype, torch.float32))

    def conditions(
        self, a: Tensor, label: int | Tensor | None, time: float | Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        r"""Returns the labels and the times of points, each with shape :math:`(B)` or `None`.

        Raises:
            ValueError: If a label is missing, or the potential does not depend on a given label or
                time.
        """
        self.check_conditions(label, time)
        labels = (
            None if label is None else torch.as_tensor(label, device=a.device).expand(a.shape[0])
        )
        if not self.time_conditioned:
            return labels, None
        time = 1.0 if time is None else time
        return labels, torch.as_tensor(time, dtype=a.dtype, device=a.device).expand(a.shape[0])

    def potential(
        self, a: Tensor, label: int | Tensor | None = None, time: float | Tensor | None = None
    ) -> Tensor:
        r"""Returns the potential :math:`\Phi(a)` of the trained descriptor, not of its average.

        The arguments are those of :meth:`potential_at`.
        """
        return self.evaluate(self.descriptor, a, *self.conditions(a, label, time))

    def potential_at(
        self, a: Tensor, label: int | Tensor | None = None, time: float | Tensor | None = None
    ) -> Tensor:
        check_points("a", a, self.shape)
        network, a = self.sampling_descriptor, a.to(self.dtype)
        with evaluation_mode(network):
            return self.evaluate(network, a, *self.conditions(a, label, time))

    @property
    def has_gradient_in_loss(self) -> bool:
        return True

    @property
    def ema_source(self) -> nn.Module:
        return self.descriptor

    @property
    def sampling_descriptor(self) -> nn.Module:
        r"""The descriptor that :meth:`sample` uses: the moving average, if there is one."""
        return self.sampling_network

    @property
    def sample_shape(self) -> tuple[int, ...]:
        return self.shape

    def sampler(self, random: torch.Generator | None) -> Draw:
        r"""Returns a function that draws from a generator, or from a new one if it is `None`."""
        if random is None:
            random = torch.Generator(self.device)
            random.seed()
        return sampler_of(random, self.device, self.dtype)

    # The checks

    def check(self, y: Tensor) -> None:
        check_shape(self.shape, y)
        self.check_descriptor(self.descriptor, y)

    def check_descriptor(self, network: nn.Module, y: Tensor) -> None:
        r"""Checks that a descriptor gives each sample a value that is its own.

        Arguments:
            network: The descriptor.
            y: The samples, with shape :math:`(B, *)`.

        Raises:
            ValueError: If values have another shape, or depend on other samples of the batch.
        """
        # The last class: a network of fewer classes has none for it.
        label = self.classes - 1 if self.potential_needs_label else None

        def evaluate(network: nn.Module) -> Callable[[Tensor], Tensor]:
            return lambda a: self.evaluate(network, a, *self.conditions(a, label, None))

        check_output_shape(
            lambda: evaluate(network)(y),
            (len(y),),
            f"'model.init_args.descriptor' should map the shape of 'data', {tuple(y.shape)}"
            f"{self.describe_labels()}, to {(len(y), 1)}",
        )
        _check_independent(evaluate, network, y)

    def describe_labels(self) -> str:
        r"""Returns the labels that the descriptor has to take, as a part of an error sentence."""
        return ""


def _check_independent(
    evaluate: Callable[[nn.Module], Callable[[Tensor], Tensor]], network: nn.Module, y: Tensor
) -> None:
    r"""Raises a `ValueError` if a network couples the samples of a batch in training mode.

    Arguments:
        evaluate: Returns the potential of a network, a function from :math:`(B, *)` to
            :math:`(B)`.
        network: The network.
        y: Samples, with shape :math:`(B, *)`.
    """
    potential = evaluate(copy.deepcopy(network).train())
    with torch.enable_grad():
        a = y.detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(potential(a)[0], a)
    if len(y) > 1 and slope[1:].abs().max() > 0:
        raise ValueError(
            "'model.init_args.descriptor' should give each sample a value of its own, got one "
            "that uses batch statistics: batch norm couples samples, and their gradients are "
            "then not those of a potential."
        )
