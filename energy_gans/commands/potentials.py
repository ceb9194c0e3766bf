r"""What commands that look at potentials share: models that have one, and the one that is shown.

The potential of a method with an energy, or with a flow, is that of the moving average of its network,
if there is one, as for its samples; other methods average their generators alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .. import methods
from ..functional.langevin import Field
from ..methods import GenerativeModule
from ..methods.energy import EnergyModule
from ..methods.flow_module import FlowModule
from ..storage.checkpoint import load_model


def load_potential_model(ckpt_path: str, trust: str = "") -> GenerativeModule:
    r"""Returns the model of a checkpoint, whose weights take no gradients.

    Raises:
        ValueError: If it has no potential.
    """
    model = load_model(ckpt_path, trust)
    if not hasattr(model, "potential"):
        rooms = (methods, methods.baselines)
        known = [
            name for m in rooms for name in m.__all__ if hasattr(getattr(m, name), "potential")
        ]
        raise ValueError(
            f"'ckpt_path' = {ckpt_path!r} holds a {type(model).__name__}, which has no potential: "
            f"it should be of {' or '.join(known)}."
        )
    return model.requires_grad_(False)


def sample_shape(model: GenerativeModule) -> tuple[int, ...]:
    r"""Returns the shape of a model's samples."""
    if isinstance(model, EnergyModule | FlowModule):
        return model.shape
    return tuple(model.sample(1).shape[1:])


def shown_potential(model: GenerativeModule, label: int | None = None, time: float = 1.0) -> Field:
    r"""Returns the potential of a model, from :math:`(B, *)` to :math:`(B)`, high where real data is.

    Arguments:
        model: The model.
        label: The class of all points; `None` for a model without classes, or for none of those of
            one whose samples flow.
        time: The time in [0, 1] of all points, for a potential that knows it.
    """
    if isinstance(model, FlowModule):
        network, none = model.shown_network, model.classes

        def at_time(a: Tensor) -> Tensor:
            labels = all_of(none if label is None else label, a)
            return model.evaluate(network, a, labels, a.new_full((len(a),), time))

        return at_time
    if isinstance(model, EnergyModule):
        network = model.shown_descriptor
        return lambda a: model.evaluate(network, a, all_of(label, a))
    return model.potential


def all_of(label: int | None, a: Tensor) -> Tensor | None:
    r"""Returns the class of points, with shape :math:`(B)`, if there is one."""
    return None if label is None else torch.full((len(a),), label, device=a.device)
