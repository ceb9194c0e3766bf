"""A generated point, the forces of four other points on it, and their sum."""

import matplotlib.pyplot as plt
import torch

from energy_gans.functional import field, plummer

REAL, GENERATED = "#4a4f57", "#d1495b"

y = torch.tensor([[0.7, 0.9], [1.3, 0.2], [0.9, -0.6]])
x = torch.tensor([[-1.3, -0.9]])
a = torch.tensor([[0.0, 0.0]])


def kernel(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return plummer(a, b, power=1.0, epsilon=0.3)


none = torch.full((1, 2), 1e6)
attraction = [-field(a, one[None], none, kernel)[0] / len(y) for one in y]
repulsion = [-field(a, none, one[None], kernel)[0] for one in x]
total = -field(a, y, x, kernel)[0]

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharex=True, sharey=True)
for axis in axes:
    axis.scatter(*y.T, s=120, color=REAL, label="real")
    axis.scatter(*x.T, s=120, color=GENERATED, label="generated")
    axis.scatter(*a.T, s=120, color=GENERATED, edgecolor="black", zorder=3)
    axis.set(xlim=(-1.6, 2.2), ylim=(-1.3, 1.7), aspect="equal", xticks=[], yticks=[])
style = {"angles": "xy", "scale_units": "xy", "scale": 0.5, "width": 8e-3}
for force in attraction:
    axes[0].quiver(0, 0, *force, color=REAL, **style)
for force in repulsion:
    axes[0].quiver(0, 0, *force, color=GENERATED, **style)
axes[1].quiver(0, 0, *total, color="black", **style)
axes[0].set_title("real points pull, generated points push")
axes[1].set_title("the sum: where the point moves")
axes[0].legend(loc="lower right")
figure.tight_layout()
