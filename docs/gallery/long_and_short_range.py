r"""
Long range sets weights, short range sharpens
=============================================

Two distant modes have the wrong weights. Which field corrects them, and which makes samples sharp?
"""

# %%
# Of the real points, 85% are in the right mode. The generated points begin with 15% there, and are
# blurred.

import matplotlib.pyplot as plt
import torch

from energy_gans.fields import EnergyDistanceField, MeanShiftField, SumOfFields
from energy_gans.functional import evolve


def draw(n: int, right: float, std: float) -> torch.Tensor:
    means = torch.where(torch.rand(n, 1) < right, 2.0, -2.0) * torch.tensor([1.0, 0.0])
    return means + std * torch.randn(n, 2)


torch.manual_seed(0)
y = draw(400, right=0.85, std=0.1)
x = draw(400, right=0.15, std=0.3)

# %%
# A sum divides each field by its root mean square before it adds them.

long = EnergyDistanceField()
short = MeanShiftField(bandwidth=0.1, kernel="sharp")
both = SumOfFields([long, short], weights=[1.0, 0.1])
results = {"start": x}
for name, field, size in [("long", long, 0.1), ("short", short, 0.1), ("both", both, 0.02)]:
    *_, results[name] = evolve(x, [y] * 300, lambda x, y, f=field: f(x, y, x), size, momentum=0.8)

# %%
# The share of points in the right mode, and their mean distance from its centre:

figure, axes = plt.subplots(4, 1, figsize=(8, 8), sharex=True, sharey=True)
for axis, (name, points) in zip(axes, results.items(), strict=True):
    right = points[points[:, 0] > 0]
    share = len(right) / len(points)
    radius = (right - torch.tensor([2.0, 0.0])).norm(dim=1).mean()
    axis.scatter(*y.T, s=2, color="#4a4f57")
    axis.scatter(*points.T, s=2, color="#d1495b")
    axis.set_title(f"{name}: share {share:.2f} (data 0.85), radius {radius:.2f} (data 0.13)")
    axis.set(xlim=(-3.2, 3.2), ylim=(-0.9, 0.9))
figure.tight_layout()
