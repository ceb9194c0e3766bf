r"""The trained networks of a method, with their optimizers and learning rate schedules."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ...checks import check_positive
from ..parts.parameter_groups import regroup, weights_and_rest


@dataclass(frozen=True)
class OptimizerSpec:
    r"""Makes an optimizer of groups of parameters; its description is that of configs.

    Unlike a lambda, it shows in signatures, its arguments may be any plain values, and the command
    line overrides them one by one.

    Arguments:
        class_path: The path of the optimizer's class.
        init_args: Its arguments.
    """

    class_path: str
    init_args: dict[str, Any]

    def __call__(self, parameters: Iterable) -> Optimizer:
        module, _, name = self.class_path.rpartition(".")
        return getattr(importlib.import_module(module), name)(parameters, **self.init_args)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.init_args.items())
        return f"{self.class_path}({arguments})"


# The default optimizers: of the Coulomb GAN's discriminator, which has to keep up with the
# potential of each minibatch, and of both networks of the scattering GAN; of other potentials and
# discriminators; of generators that follow a discriminator more slowly; and of potentials that
# chains climb and the Coulomb GAN's generator, which diverge at a higher rate. Only the rate is
# given, as a config that names a rate keeps the other arguments of a default.
FAST_ADAM = OptimizerSpec("torch.optim.Adam", {"lr": 2e-3})
ADAM = OptimizerSpec("torch.optim.Adam", {"lr": 1e-3})
SLOW_ADAM = OptimizerSpec("torch.optim.Adam", {"lr": 3e-4})
SLOWEST_ADAM = OptimizerSpec("torch.optim.Adam", {"lr": 1e-4})


class Trained(NamedTuple):
    r"""A trained network.

    Arguments:
        network: The network.
        make_optimizer: Returns an optimizer of groups of parameters.
        make_scheduler: Returns the learning rate schedule of an optimizer, or `None` for a
            constant rate.
    """

    network: nn.Module
    make_optimizer: OptimizerCallable
    make_scheduler: LRSchedulerCallable | None = None


class OptimizersMixin:
    r"""Gives a LightningModule one optimizer, and at most one schedule, for each trained network.

    Arguments:
        gradient_clip_norm: The largest norm, above 0, of the gradient of each of
            :meth:`clipping_sets`, or `None` for any.

    Attributes:
        trained: The trained networks, in the order of their optimizers. A method appends its own.

    Raises:
        ValueError: If `gradient_clip_norm` is not positive.
    """

    def __init__(self, gradient_clip_norm: float | None = None) -> None:
        super().__init__()
        if gradient_clip_norm is not None:
            check_positive("gradient_clip_norm", gradient_clip_norm)
        self.gradient_clip_norm = gradient_clip_norm
        self.trained: list[Trained] = []

    def configure_optimizers(self) -> tuple[list[Optimizer], list[LRScheduler]]:
        optimizers, schedulers = [], []
        for network, make_optimizer, make_scheduler in self.trained:
            try:
                optimizers.append(make_optimizer(weights_and_rest(network)))
                if make_scheduler is not None:
                    schedulers.append(make_scheduler(optimizers[-1]))
            except (ValueError, TypeError) as error:
                raise ValueError(
                    f"The optimizer of {self.name_of(network)!r}, or its schedule, can not be "
                    f"made: {error}."
                ) from error
        return optimizers, schedulers

    def name_of(self, network: nn.Module) -> str:
        r"""Returns the attribute that holds a trained network, or the first of its parts."""
        parts = [network, *network.children()]
        return next(
            name for name, module in self.named_modules() if any(module is p for p in parts)
        )

    def clipping_sets(self, optimizer: Optimizer) -> list[list[nn.Parameter]]:
        r"""Returns the sets of an optimizer's parameters that are each clipped by their own norm.

        All parameters are one set, unless the optimizer of a method trains independent networks.
        """
        return [[p for group in optimizer.param_groups for p in group["params"]]]

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        if self.gradient_clip_norm is not None:
            # In float16, a fused optimizer divides by the scale of the loss only in its step.
            if getattr(optimizer, "_step_supports_amp_scaling", False):
                scaler = getattr(self.trainer.precision_plugin, "scaler", None)
                if scaler is not None:
                    scaler.unscale_(optimizer)
            for parameters in self.clipping_sets(optimizer):
                nn.utils.clip_grad_norm_(parameters, self.gradient_clip_norm)

    def optimizer_list(self) -> list[LightningOptimizer]:
        r"""Returns the optimizers, always as a list."""
        optimizers = self.optimizers()
        return optimizers if isinstance(optimizers, list) else [optimizers]

    def schedulers(self) -> list[LRScheduler]:
        r"""Returns the learning rate schedules, always as a list."""
        schedulers = self.lr_schedulers()
        if schedulers is None:
            return []
        return schedulers if isinstance(schedulers, list) else [schedulers]

    def regroup_optimizer_states(self, checkpoint: dict) -> None:
        r"""Gives the optimizer states of a checkpoint the present groups of parameters.

        Raises:
            ValueError: If the checkpoint is of a method with another number of optimizers.
        """
        states = checkpoint.get("optimizer_states", [])
        if len(states) != len(self.trained):
            raise ValueError(
                f"'ckpt_path' should be a checkpoint of a {type(self).__name__}, with "
                f"{len(self.trained)} optimizers, got one with {len(states)}."
            )
        states[:] = [
            regroup(state, network)
            for state, (network, *_) in zip(states, self.trained, strict=True)
        ]
