r"""The parameter groups of optimizers: weights, and parameters without weight decay.

The weight of a dense or (de)convolutional layer may be computed from other tensors, by a
parametrization, such as weight or spectral normalisation, or by the older hooks of
`torch.nn.utils`. These tensors then count as the weight. Tensors with one number for each map are
gains, which have no weight decay, like the gains of batch norm.

Weight normalisation, :math:`W = g V / \|V\|`, therefore has its direction :math:`V` among the
weights, and its gain :math:`g` among the others. The reason is the effect of weight decay, and of
Lamb's trust ratio :math:`\|\theta\| / \|\Delta \theta\|`:

- The layer does not depend on :math:`\|V\|`, which gradient steps can only increase. Decay bounds
  the norm, and so keeps the angle by which a step rotates :math:`V` from vanishing. A step of Lamb
  has the length :math:`\lambda \|V\|`, and rotates :math:`V` by at most the learning rate
  :math:`\lambda`, for every norm.
- A gain may start at zero, as at the end of a residual block. Lamb's steps, proportional to
  :math:`\|g\|`, would never leave zero, and decay would return to it.

References:
    Weight Normalization: A Simple Reparameterization to Accelerate Training of Deep Neural
    Networks (Salimans and Kingma, 2016), https://arxiv.org/abs/1602.07868
    Large Batch Optimization for Deep Learning: Training BERT in 76 minutes (You et al., 2020),
    https://arxiv.org/abs/1904.00962
"""

from __future__ import annotations

import re
from typing import Any

import torch.nn as nn

_LAYERS = (nn.Linear, nn.modules.conv._ConvNd)
# The names, within a layer, of the weight or of the parameters from which the weight is computed.
_WEIGHT = re.compile(r"weight|weight_(g|v|orig)|parametrizations\.weight\..+")
# The same for early checkpoints, whose groups do not take weight normalisation into account.
_PLAIN_WEIGHT = re.compile(r"weight|parametrizations\.weight\.original")

_Group = list[nn.Parameter]


def weights_and_rest(network: nn.Module) -> list[dict[str, Any]]:
    r"""Returns the parameter groups of a network. Empty groups are left out.

    The first group are the weights of dense and (de)convolutional layers. The second group are all
    other parameters, without weight decay.
    """
    weights, rest = _partition(network, _WEIGHT)
    groups = [{"params": weights}, {"params": rest, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def _partition(network: nn.Module, names: re.Pattern) -> tuple[_Group, _Group]:
    r"""Returns the parameters of layers' weights without gains, and all other parameters.

    Arguments:
        network: The network.
        names: The names of the weight's parameters within a layer.
    """
    weights: dict[nn.Parameter, None] = {}
    for layer in network.modules():
        if isinstance(layer, _LAYERS):
            parts = [p for name, p in layer.named_parameters() if names.fullmatch(name)]
            largest = max((p.numel() for p in parts), default=0)
            weights |= {p: None for p in parts if not _is_gain(p, largest)}
    return list(weights), [p for p in network.parameters() if p not in weights]


def _is_gain(p: nn.Parameter, largest: int) -> bool:
    r"""Returns whether a parameter of a weight holds one number for each map.

    Arguments:
        p: The parameter.
        largest: The number of elements in the largest parameter of the same weight.
    """
    return p.numel() < largest and sum(n > 1 for n in p.shape) <= 1


def regroup(state: dict[str, Any], network: nn.Module) -> dict[str, Any]:
    r"""Returns an optimizer's saved state with the groups of :func:`weights_and_rest`.

    Early checkpoints have the directions of weight normalisation in the second group. Without
    weight decay, both groups are trained in the same way, and only the order of parameters
    differs.

    Arguments:
        state: The `state_dict()` of the optimizer.
        network: The network that the optimizer trains.

    Raises:
        ValueError: If the groups differ in weight decay, and the second group of the checkpoint
            holds normalised weights.
    """
    earlier, present = ([g for g in _partition(network, n) if g] for n in (_PLAIN_WEIGHT, _WEIGHT))
    saved, sizes = [len(g["params"]) for g in state["param_groups"]], [len(g) for g in present]
    if saved == sizes or saved != [len(g) for g in earlier]:
        return state
    if any(group.get("weight_decay", 0) != 0 for group in state["param_groups"]):
        raise ValueError(
            f"'ckpt_path' should be of a run with weight decay on the {sizes[0]} weights of "
            f"{type(network).__name__}, got one with decay on {saved[0]}, without normalised "
            "layers, which can not be resumed: start a new run from its weights with "
            "--model.init_args.initial_weights."
        )
    index = {p: i for i, p in enumerate(p for group in earlier for p in group)}
    order = [index[p] for group in present for p in group]
    kept = {i: state["state"][j] for i, j in enumerate(order) if j in state["state"]}
    numbers = iter(range(len(order)))
    groups = [
        group | {"params": [next(numbers) for _ in range(size)]}
        for group, size in zip(state["param_groups"], sizes, strict=True)
    ]
    return {"state": kept, "param_groups": groups}
