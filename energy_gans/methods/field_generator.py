r"""Generators that follow a particle field: one step from noise to samples.

Samples :math:`x = G(z)` are mapped to features :math:`f = \phi(x) / S`, in a unit of length
:math:`S`. A field :math:`V` moves features of generated samples towards those of real samples, and
the generator regresses onto its own moved features,

.. math:: L_G = \mathbb{E} \| f - \text{sg}(f + V(f)) \|^2

with the stop-gradient sg. Its gradient is :math:`-2 J^\top V`: samples take a step along the
field. For the field of the elastic energy without features, this is the direct EIEG generator
(:mod:`energy_gans.methods.eieg_generator`).

By default the field is divided by its size :math:`\sqrt{\mathbb{E} \|V\|^2}`, so that the loss is
1. The size itself falls as samples approach the data, and is logged as `train/field`. If samples
collapse to a point, `train/shrinkage` (:func:`~energy_gans.functional.shrinkage`) approaches 1.

References:
    Generative Modeling via Drifting (Deng et al., 2026), https://arxiv.org/abs/2602.04770
    On drifting in the space of pixels: https://arxiv.org/abs/2604.06333
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from ..checks import check_at_least, check_count
from ..fields import EnergyDistanceField, MeanShiftField, ParticleField, SumOfFields
from ..fields.base import check_field
from ..fields.classes import Labelled, class_velocities
from ..functional import amortized_loss, exponential_decay, root_mean_square, shrinkage, unit_field
from .bases.arguments import base_arguments
from .bases.direct_generator import DirectGeneratorModule
from .bases.generator import check_generator
from .bases.optimizers import ADAM
from .parts.feature_maps import FeatureMaps, FeatureQueue


class FieldGenerator(DirectGeneratorModule):
    r"""A generator that follows the field of real and generated samples.

    Arguments:
        field: The field (:mod:`energy_gans.fields`); by default the sum of the energy distance's,
            which has a long range, and of the sharp mean shift with the bandwidth 0.05.
        features: The fixed map, or maps, from samples to the features that the field moves; the
            samples themselves by default. A map is saved with the model, and not trained.
        feature_weights: The factor on the loss of each map; 1 by default. The gradient through a
            network is often many times that through pixels.
        unit: The unit of length of the field's settings: `"mean_distance"`, that of the features
            of real samples in the first minibatch, or `"data"`.
        normalize: Whether the field is divided by its size.
        negatives: The generated samples that repel: `"own"`, the minibatch itself, where no sample
            acts on itself, or `"separate"`, a second minibatch.
        queue: The number of past real samples that attract with those of the minibatch.
        initial_range: The factor on the field's lengths at the first step.
        range_decay: The factor on `initial_range` from one step to the next. The factor on the
            lengths does not fall below 1.
        classes: The number of classes of a class-conditional generator, or `None`.
        guidance: The classifier-free guidance (:mod:`energy_gans.fields.classes`), 1 for none.

    Raises:
        ValueError: If a number is out of its range, or the field needs separate negatives.
    """

    def __init__(
        self,
        generator: nn.Module,
        latent_dim: int,
        *,
        field: ParticleField | None = None,
        features: nn.Module | Sequence[nn.Module] | None = None,
        feature_weights: Sequence[float] | None = None,
        unit: Literal["mean_distance", "data"] = "mean_distance",
        normalize: bool = True,
        negatives: Literal["own", "separate"] = "own",
        queue: int = 0,
        initial_range: float = 1.0,
        range_decay: float = 1.0,
        classes: int | None = None,
        guidance: float = 1.0,
        generator_optimizer: OptimizerCallable = ADAM,
        generator_scheduler: LRSchedulerCallable | None = None,
        updates_per_step: int = 1,
        discriminator_steps: int = 1,
        accumulate: int = 1,
        gradient_clip_norm: float | None = None,
        channels_last: bool = False,
        initial_weights: str | None = None,
    ) -> None:
        super().__init__(**base_arguments(FieldGenerator, locals()))
        if field is None:
            field = SumOfFields([EnergyDistanceField(), MeanShiftField(0.05)])
        _check_choices(field, unit, negatives)
        check_at_least("initial_range", initial_range, 1)
        if not 0 < range_decay <= 1:
            raise ValueError(f"'range_decay' should be in (0, 1], got {range_decay!r}.")
        check_at_least("guidance", guidance, 1)
        if classes is not None:
            check_count("classes", classes)
        elif guidance != 1:
            raise ValueError(f"'guidance' should be 1 without 'classes', got {guidance!r}.")
        self.field = field
        maps = features if isinstance(features, (list, tuple)) else [features]
        self.maps = FeatureMaps([] if features is None else maps, feature_weights)
        self.unit = unit
        self.normalize = normalize
        self.negatives = negatives
        self.past = FeatureQueue(queue)
        self.initial_range = initial_range
        self.range_decay = range_decay
        self.classes = classes
        self.guidance = guidance
        self.measured = False
        self.last_fields: list[tuple[list[Tensor], Tensor, Tensor]] = []

    # The update

    def update(self, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        label = None if self.classes is None else label
        x = self.draw(len(y), label)
        if self.classes is None:
            self.charges = (y, x.detach())
        labels = None if label is None else self.gather(label)
        with torch.no_grad():
            real = [self.gather(u) for u in self.maps(y)]
            if not self.measured:
                real, self.measured = self.maps.measure(real), True
            repel = None if self.negatives == "own" else self.maps(self.draw(len(y), label))
        losses, self.last_fields = [], []
        attract = self.past.extend(real, labels)
        for k, (f, y_k) in enumerate(zip(self.maps(x), attract, strict=True)):
            a = Labelled(self.gather(f), labels)
            x_k = a if repel is None else Labelled(self.gather(repel[k]), labels)
            velocities = self.velocities(a, y_k, x_k)
            self.last_fields.append((velocities, a.x, real[k]))
            loss = self.regression_loss(f, self.field.combine(velocities))
            losses.append(self.maps.weights[k] * loss)
        loss = torch.stack(losses).mean() if len(losses) > 1 else losses[0]
        return {"loss_g": self.descend(self.optimizers(), [loss])}

    def note_step(self) -> None:
        notes = [_notes(*fields) for fields in self.last_fields]
        self.note(**{name: torch.stack([n[name] for n in notes]).mean() for name in notes[0]})

    def draw(self, n: int, label: Tensor | None) -> Tensor:
        r"""Returns generated samples of this process, of given classes if there are any.

        Arguments:
            n: The number of samples.
            label: The classes, with shape :math:`(n)`, or `None`.

        Returns:
            The samples, with shape :math:`(n, *)`.
        """
        z = self.noise(n, self.latent_dim)
        return self.generator(z) if label is None else self.generator(z, label)

    def velocities(self, a: Labelled, y: Labelled, x: Labelled) -> list[Tensor]:
        r"""Returns the field of each term at the points of the global minibatch.

        Arguments:
            a: The points, features of generated samples, with shape :math:`(B, C)`.
            y: The real features.
            x: The generated features that repel.

        Returns:
            The fields, each with shape :math:`(B, C)`, in the unit of the features.
        """
        s, own = self.range(), self.negatives == "own"
        if s != 1:
            a, y, x = (Labelled(one.x / s, one.label) for one in (a, y, x))
        velocities = class_velocities(self.field, a, y, x, self.guidance, own, self.random)
        return [s * v for v in velocities] if s != 1 else velocities

    def range(self) -> float:
        r"""Returns the factor on the field's lengths at this step."""
        return exponential_decay(self.initial_range, self.range_decay, self.global_step, 1.0)

    def regression_loss(self, f: Tensor, v: Tensor) -> Tensor:
        r"""Returns the loss of this process's features in the field, a scalar.

        Arguments:
            f: The features of this process, with shape :math:`(B, C)`.
            v: The field at the features of all processes, with shape :math:`(W B, C)`.
        """
        if self.normalize:
            v = unit_field(v) / f.shape[1] ** 0.5
        return amortized_loss(f, f.detach() + v[self.global_rank :: self.world_size])

    def setup(self, stage: str) -> None:
        super().setup(stage)
        # Lightning warns of modules in evaluation mode, as the maps always are.
        count = sum(1 for _ in self.maps.modules())
        warnings.filterwarnings("ignore", rf"Found {count} module\(s\) in eval mode")

    def on_train_start(self) -> None:
        super().on_train_start()
        self.measured = self.global_step > 0 or self.unit == "data"
        if self.global_step == 0:
            # What another run has left: its queue, or the units of its initial weights.
            self.past.sets = []
            self.maps.unit.fill_(1)

    # What checkpoints hold

    def carried_state(self) -> dict[str, Any]:
        return super().carried_state() | ({"past": self.past.sets} if self.past.sets else {})

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        super().on_save_checkpoint(checkpoint)
        if self.past.sets:
            checkpoint["past"] = [past.clone() for past in self.past.sets]

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        super().on_load_checkpoint(checkpoint)
        if self.classes is not None:
            # Earlier versions stored them although there is no potential of all classes.
            self.charges = None
        self.past.sets = list(checkpoint.get("past", []))

    # Samples and potential

    def minibatch_potential(self) -> Callable[[Tensor], Tensor]:
        if self.classes is not None:
            raise ValueError("A class-conditional FieldGenerator has no potential of all classes.")
        s = self.range() if self._trainer is not None else 1.0
        with torch.no_grad():
            sets = [self.maps(charges) for charges in self.require_charges()]
        real, generated = ([f / s for f in features] for features in sets)
        # A field without a potential is refused here, before points are given.
        self.field.potential(generated[0][:1], real[0], generated[0])

        def potential(a: Tensor) -> Tensor:
            maps = zip(self.maps.weights, self.maps(a), real, generated, strict=True)
            return sum(w * self.field.potential(f / s, u, v) for w, f, u, v in maps)

        return potential

    # Checks

    @property
    def smallest_minibatch(self) -> int:
        return 2 if self.negatives == "own" else 1

    def check(self, y: Tensor) -> None:
        check_generator(self.generator, y, self.latent_dim, self.classes)
        self.maps.check(y)
        for f in self.maps(y):
            for v in self.field.velocities(f, f, f):
                if v.shape != f.shape:
                    raise ValueError(
                        "'model.init_args.field' should be of the shape of its points, "
                        f"{tuple(f.shape)}, got {tuple(v.shape)}."
                    )
                if not v.isfinite().all():
                    raise ValueError(
                        "'model.init_args.field' should be finite, also where points coincide."
                    )


def _notes(velocities: Sequence[Tensor], x: Tensor, y: Tensor) -> dict[str, Tensor]:
    r"""Returns what is logged: the size of each field, and how much samples have shrunk together.

    Arguments:
        velocities: The fields at generated features, each with shape :math:`(B, C)`.
        x: The generated features, with shape :math:`(B, C)`.
        y: The real features, with shape :math:`(B, C)`.
    """
    sizes = [root_mean_square(v) * v.shape[1] ** 0.5 for v in velocities]
    named = {f"field_{i}": size for i, size in enumerate(sizes, 1)}
    return (named if len(sizes) > 1 else {"field": sizes[0]}) | {"shrinkage": shrinkage(x, y)}


def _check_choices(field: ParticleField, unit: str, negatives: str) -> None:
    r"""Raises a `ValueError` unless words are known and negatives fit the field."""
    check_field("field", field)
    if unit not in ("mean_distance", "data"):
        raise ValueError(f"'unit' should be 'mean_distance' or 'data', got {unit!r}.")
    if negatives not in ("own", "separate"):
        raise ValueError(f"'negatives' should be 'own' or 'separate', got {negatives!r}.")
    if field.independent and negatives == "own":
        raise ValueError(
            f"'negatives' should be 'separate' for {field!r}, got 'own': its generated samples "
            "have to be independent of the points."
        )
