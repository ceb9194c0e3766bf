r"""Methods that train the descriptor by maximum likelihood, with samples of its own density.

The descriptor ascends, up to the penalty, the log-likelihood of real samples :math:`y`. Its
objective is Eq. 18 of Wu et al.,

.. math::
    \mathbb{E}_y \Phi(y) - \mathbb{E} \Phi(x_t) - \frac{\gamma}{2} \left[
        \zeta \, \mathbb{E} \|\nabla \Phi(x_{t-1})\|^2
        + (1 - \zeta) \, \mathbb{E} \|\nabla \Phi(x_t)\|^2
    \right] \qquad \zeta \sim \mathcal{U}[0, 1]

where chains move from :math:`x_{t-1}` to :math:`x_t`. The loss of a minibatch is minus the
objective.

The equations are missing from the paper's text, which leaves three things open. The sign and the
factor of the last term are chosen as :mod:`energy_gans.functional.contrastive` explains,
:math:`x_{t-1}` is the point at which the update's chains start, and one :math:`\zeta` is drawn for
each update. The paper applies the penalty to the linear weights alone (Eq. 18, `"head"` here) and
trains the filters by the likelihood (Eq. 3). Here the penalty applies to all weights by default.

References:
    Generalizing Energy-based Generative ConvNets from Particle Evolution Perspective (Wu et al.,
    2019), https://arxiv.org/abs/1910.14216
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import torch
import torch.nn as nn
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor
from torch.func import functional_call

from ...functional import contrastive_loss, fold, gap_share, magnitude, transport_cost
from .langevin import LangevinMixin
from .optimizers import SLOWEST_ADAM
from .potential import PotentialModule


class ContrastiveModule(LangevinMixin, PotentialModule):
    r"""A method whose descriptor is trained by maximum likelihood.

    Arguments:
        gamma: The step size :math:`\gamma` of the Wasserstein flow, the factor of the penalty; 0
            for none.
        penalized: The weights that the penalty trains: `"all"`, or those of the last layer,
            `"head"`, which the descriptor has to name `head`.
        magnitude: The factor on :math:`\mathbb{E} \Phi^2`, which keeps the potential near zero.
        descriptor_optimizer: The optimizer of the descriptor, by default a slow one. Its weight
            decay applies to the weights of dense and convolutional layers only.
        kwargs: The arguments of :class:`LangevinMixin` and :class:`PotentialModule`.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        gamma: float = 0.0,
        penalized: Literal["all", "head"] = "all",
        magnitude: float = 0.0,
        descriptor_optimizer: OptimizerCallable = SLOWEST_ADAM,
        **kwargs: Any,
    ) -> None:
        super().__init__(descriptor_optimizer=descriptor_optimizer, **kwargs)
        for name, value in (("gamma", gamma), ("magnitude", magnitude)):
            if not value >= 0:
                raise ValueError(f"{name!r} should not be negative, got {value!r}.")
        if penalized not in ("all", "head"):
            raise ValueError(f"'penalized' should be 'all' or 'head', got {penalized!r}.")
        if penalized == "head" and not hasattr(self.descriptor, "head"):
            raise ValueError(
                "'penalized' is 'head', and the descriptor has no layer of that name."
            )
        self.gamma, self.penalized, self.magnitude = gamma, penalized, magnitude
        self.interpolation = torch.Generator()

    def seed_step(self) -> None:
        super().seed_step()
        self.interpolation.manual_seed(fold(self.seed, "interpolation", self.global_step))

    # The loss

    def losses(
        self,
        network: nn.Module,
        before: Tensor,
        x: Tensor,
        label_x: Tensor | None,
        y: Tensor,
        label: Tensor | None,
    ) -> Iterator[Tensor]:
        r"""Yields the loss of each part of a minibatch.

        Arguments:
            network: The descriptor.
            before: The points :math:`x_{t-1}` at which chains started, with shape :math:`(B, *)`.
            x: The points :math:`x_t` at which chains ended, with shape :math:`(B, *)`.
            label_x: The labels of the chains, with shape :math:`(B)`, or `None`.
            y: The real samples, with shape :math:`(B, *)`.
            label: The labels of the real samples, with shape :math:`(B)`, or `None`.

        Yields:
            The losses, scalars.
        """
        zeta = torch.rand((), generator=self.interpolation).item()
        parts = [
            [None] * self.accumulate if a is None else a.chunk(self.accumulate)
            for a in (before, x, label_x, y, label)
        ]
        noted: list[dict[str, Tensor]] = []
        for b, x, label_x, y, label in zip(*parts, strict=True):
            labels = None if label is None else torch.cat([label_x, label])
            phi_x, phi_y = self.evaluate(network, torch.cat([x, y]), labels).chunk(2)
            share = gap_share(phi_x, phi_y, self.magnitude)
            noted.append({"gap": phi_y.mean() - phi_x.mean(), "gap_share": share})
            loss = contrastive_loss(phi_x, phi_y)
            if self.magnitude:
                loss = loss + self.magnitude * magnitude(phi_x, phi_y)
            if self.gamma:
                cost = transport_cost(self.penalized_potential(network, label_x), b, x, zeta)
                noted[-1]["transport"] = cost
                loss = loss + self.gamma / 2 * cost
            self.note_means(noted)
            yield loss

    def note_means(self, noted: list[dict[str, Tensor]]) -> None:
        r"""Logs the means of scalars over the parts of a minibatch until now.

        Arguments:
            noted: The scalars of each part, by name, the last of which is detached here.
        """
        noted[-1] = {name: value.detach() for name, value in noted[-1].items()}
        self.note(**{n: sum(part[n] for part in noted) / len(noted) for n in noted[0]})

    def shift_invariant_outputs(self, y: Tensor) -> list[Tensor]:
        return (
            []
            if self.magnitude
            else [self.potential(y, 0 if self.potential_needs_label else None)]
        )

    def penalized_potential(
        self, network: nn.Module, label: Tensor | None
    ) -> Callable[[Tensor], Tensor]:
        r"""Returns the potential as a function of points and of the penalized weights alone.

        Arguments:
            network: The descriptor.
            label: The labels, with shape :math:`(B)`, or `None`. The potential is a function of
                two sets of points with these labels, with shape :math:`(2 B, *)`.
        """
        labels = None if label is None else torch.cat([label, label])
        if self.penalized == "all":
            return lambda a: self.evaluate(network, a, labels)
        weights = {
            name: p if name.startswith("head.") else p.detach()
            for name, p in network.named_parameters()
        }
        return lambda a: self.evaluate(
            lambda *inputs: functional_call(network, weights, inputs), a, labels
        )
