r"""The optimizer's groups of parameters: weights, and what weight decay spares.

A weight of a dense or (de)convolutional layer may be computed from other tensors: by a parametrization,
such as weight or spectral normalisation, or by the older hooks of `torch.nn.utils`. Then these tensors
are the weight. Those that hold one number a map, gains, are not: as the gains of batch norm they
belong to the rest.

So weight normalisation's :math:`W = g V / \|V\|` has its direction :math:`V` among the weights and its gain
:math:`g` in the rest, for what weight decay and Lamb's trust ratio
:math:`\|\theta\| / \|\Delta \theta\|` do to each:

- The layer does not depend on :math:`\|V\|`, which gradient steps only lengthen. Decay keeps it bounded,
  and with it the angle by which a step turns :math:`V`. A step of Lamb, which has the length
  :math:`\lambda \|V\|`, turns it by the learning rate :math:`\lambda` at most, however long it is.
- A gain may start at zero, as at the end of a residual. Lamb's steps, in proportion to :math:`\|g\|`, would
  leave it there, and decay would pull it back.

References:
    Weight Normalization: A Simple Reparameterization to Accelerate Training of Deep Neural Networks
    (Salimans and Kingma, 2016), https://arxiv.org/abs/1602.07868
    Large Batch Optimization for Deep Learning: Training BERT in 76 minutes (You et al., 2020),
    https://arxiv.org/abs/1904.00962
"""

from __future__ import annotations

import re
from typing import Any

import torch.nn as nn

LAYERS = (nn.Linear, nn.modules.conv._ConvNd)
# The names, in a layer, of its weight or of the parameters that it is computed from.
WEIGHT = re.compile(r"weight|weight_(g|v|orig)|parametrizations\.weight\..+")
# The same in checkpoints whose groups do not know weight normalisation.
PLAIN_WEIGHT = re.compile(r"weight|parametrizations\.weight\.original")

Group = list[nn.Parameter]


def weights_and_rest(network: nn.Module) -> list[dict[str, Any]]:
    r"""Returns two groups of parameters: the weights of dense and (de)convolutional layers, and
    the rest, which is spared the optimizer's weight decay. An empty group is left out."""
    weights, rest = partition(network, WEIGHT)
    groups = [{"params": weights}, {"params": rest, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def partition(network: nn.Module, names: re.Pattern) -> tuple[Group, Group]:
    r"""Returns the parameters of layers' weights, gains excepted, and all others.

    Arguments:
        network: The network.
        names: What parameters of a layer's weight are called in the layer.
    """
    weights: dict[nn.Parameter, None] = {}
    for layer in network.modules():
        if isinstance(layer, LAYERS):
            parts = [p for name, p in layer.named_parameters() if names.fullmatch(name)]
            largest = max((p.numel() for p in parts), default=0)
            weights |= {p: None for p in parts if not is_gain(p, largest)}
    return list(weights), [p for p in network.parameters() if p not in weights]


def is_gain(p: nn.Parameter, largest: int) -> bool:
    r"""Returns whether a part of a weight, whose largest has so many elements, holds one number a map."""
    return p.numel() < largest and sum(n > 1 for n in p.shape) <= 1


def regroup(state: dict[str, Any], network: nn.Module) -> dict[str, Any]:
    r"""Returns an optimizer's saved state with the groups of :func:`weights_and_rest`.

    There are checkpoints that have weight normalisation's directions in the rest. Without weight decay
    both groups are trained in the same way, and only the order of parameters is another.

    Arguments:
        state: What the optimizer's `state_dict()` gave.
        network: The network that the optimizer trains.

    Raises:
        ValueError: If weight decay tells the groups apart, and the checkpoint has normalised weights in the rest.
    """
    earlier, present = ([g for g in partition(network, n) if g] for n in (PLAIN_WEIGHT, WEIGHT))
    saved, sizes = [len(g["params"]) for g in state["param_groups"]], [len(g) for g in present]
    if saved == sizes or saved != [len(g) for g in earlier]:
        return state
    if any(group.get("weight_decay", 0) != 0 for group in state["param_groups"]):
        raise ValueError(
            f"'ckpt_path' should be of a run whose weight decay is on the {sizes[0]} weights of "
            f"{type(network).__name__}, got one that spared those of normalised layers and decayed "
            f"{saved[0]}: it can not go on as the same run. Start a new one from its weights with "
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
