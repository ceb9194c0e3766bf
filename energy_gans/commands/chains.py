r"""What commands that run Langevin chains share: models that have them, and data they start at."""

from __future__ import annotations

from .. import methods
from ..data.base import TensorDataModule
from ..methods.energy import EnergyModule
from ..methods.flow_module import FlowModule
from ..storage.checkpoint import load_model
from ..storage.runs import run_of
from .runs import run_data


def load_energy_model(ckpt_path: str, trust: str = "") -> EnergyModule:
    r"""Returns the model of a checkpoint, whose weights take no gradients.

    Raises:
        ValueError: If it has no chains.
    """
    model = load_model(ckpt_path, trust)
    if not isinstance(model, EnergyModule):
        known = [m for m in methods.__all__ if is_energy(getattr(methods, m))]
        raise ValueError(
            f"'ckpt_path' = {ckpt_path!r} holds a {type(model).__name__}, which has no chains: it "
            f"should be of {' or '.join(known)}."
        )
    return model.requires_grad_(False)


def load_moving_model(ckpt_path: str, trust: str = "") -> EnergyModule | FlowModule:
    r"""Returns the model of a checkpoint whose samples move: up chains, or along a flow.

    Raises:
        ValueError: If they do neither.
    """
    model = load_model(ckpt_path, trust)
    if isinstance(model, FlowModule):
        return model.requires_grad_(False)
    return load_energy_model(ckpt_path, trust)


def is_energy(method: object) -> bool:
    r"""Returns whether something is a method with an energy."""
    return isinstance(method, type) and issubclass(method, EnergyModule)


def data_of(ckpt_path: str, trust: str = "") -> TensorDataModule:
    r"""Returns the data of the run that a checkpoint belongs to."""
    data = run_data(run_of(ckpt_path), trust)
    data.prepare_data()
    return data
