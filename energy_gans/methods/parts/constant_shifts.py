r"""Parameters that add a constant to a network's output, as the bias of a last layer does.

Where a loss does not change with such a constant, as that of a critic whose features only meet in differences,
these parameters have a gradient that is zero but for rounding. Adam would divide the rounding by its own
size, and the parameter would walk at random, differently for every number of processes.

They are found in the graph that autograd keeps of an output: a parameter is one of them if every path
from it to the output only adds it, sums or rearranges. An operation that is not known here hides a
parameter, which is then trained as all others are.
"""

from __future__ import annotations

import torch.nn as nn
from torch import Tensor

# By the name of an operation's node: which of its inputs it adds to its output, sums up or rearranges.
ADDED: dict[str, tuple[int, ...]] = {
    "AddmmBackward0": (0,),
    "ConvolutionBackward0": (2,),
    "AddBackward0": (0, 1),
    "SubBackward0": (0, 1),
    "ToCopyBackward0": (0,),
    "AliasBackward0": (0,),
    "CloneBackward0": (0,),
    "ExpandBackward0": (0,),
    "ViewBackward0": (0,),
    "UnsafeViewBackward0": (0,),
    "ReshapeAliasBackward0": (0,),
    "SqueezeBackward0": (0,),
    "SqueezeBackward1": (0,),
    "SqueezeBackward2": (0,),
    "UnsqueezeBackward0": (0,),
    "TransposeBackward0": (0,),
    "PermuteBackward0": (0,),
    "MeanBackward1": (0,),
    "SumBackward1": (0,),
}


def shift_parameters(output: Tensor) -> list[nn.Parameter]:
    r"""Returns the parameters that do no more to an output than add the same to it for all samples.

    Arguments:
        output: What a network gives for samples, with shape :math:`(B, *)` and its graph.

    Example:
        >>> network = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
        >>> shift_parameters(network(torch.ones(4, 2))) == [network[2].bias]
        True
    """
    # Dictionaries as sets that keep their order.
    added: dict[nn.Parameter, None] = {}
    used: dict[nn.Parameter, None] = {}
    seen = set()
    stack = [(output.grad_fn, True)]
    while stack:
        node, adds = stack.pop()
        if node is None or (node, adds) in seen:
            continue
        seen.add((node, adds))
        if hasattr(node, "variable"):
            (added if adds else used)[node.variable] = None
        places = ADDED.get(node.name(), ()) if adds else ()
        stack += [(child, i in places) for i, (child, _) in enumerate(node.next_functions)]
    return [p for p in added if p not in used]
