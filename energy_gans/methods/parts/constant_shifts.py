r"""Parameters that add a constant to a network's output, such as the bias of the last layer.

Some losses do not change with such a constant, for example those of a critic whose features only
enter as differences. The gradient of these parameters is then nothing but rounding error. Adam
would divide the error by its own size, and the parameter would follow a random walk that depends
on the number of processes.

The parameters are found in the autograd graph of an output: a parameter is one of them if every
path from the parameter to the output consists of additions, sums and rearrangements only. An
operation that is missing from the table below hides a parameter, which is then trained like all
others.
"""

from __future__ import annotations

import torch.nn as nn
from torch import Tensor

# For the name of an operation's node: the indices of the inputs that it adds, sums or rearranges.
_ADDED: dict[str, tuple[int, ...]] = {
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
    r"""Returns the parameters whose only effect is to add a constant to the output of all samples.

    Arguments:
        output: The output of a network for samples, with shape :math:`(B, *)`, with its graph.

    Example:
        >>> network = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
        >>> shift_parameters(network(torch.ones(4, 2))) == [network[2].bias]
        True
    """
    # The keys of the dictionaries are ordered sets.
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
        places = _ADDED.get(node.name(), ()) if adds else ()
        stack += [(child, i in places) for i, (child, _) in enumerate(node.next_functions)]
    return [p for p in added if p not in used]
