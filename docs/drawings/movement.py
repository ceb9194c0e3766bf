"""Points that move in the field of real points and of themselves, and the field that vanishes."""

import matplotlib.pyplot as plt
import torch

from energy_gans.fields import EnergyDistanceField
from energy_gans.functional import evolve

torch.manual_seed(0)
angles = torch.rand(300) * 2 * torch.pi
y = torch.stack([angles.cos(), angles.sin()], 1) + 0.06 * torch.randn(300, 2)
x = 0.25 * torch.randn(300, 2) + torch.tensor([1.4, 1.4])
field = EnergyDistanceField()
states = [x, *evolve(x, [y] * 200, lambda x, y: field(x, y, x), step_size=0.05, momentum=0.8)]

figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), sharex=True, sharey=True)
for axis, time in zip(axes, [0, 15, 40, 200], strict=True):
    x = states[time]
    v = field(x, y, x)
    axis.scatter(*y.T, s=3, color="#4a4f57")
    axis.scatter(*x.T, s=5, color="#d1495b")
    axis.quiver(*x[::6].T, *v[::6].T, scale=6, width=5e-3, color="#d1495b")
    size = v.square().sum(1).mean().sqrt()
    axis.set(title=f"step {time}: field {size:.2f}", aspect="equal", xticks=[], yticks=[])
    axis.set(xlim=(-1.7, 2.3), ylim=(-1.7, 2.3))
figure.tight_layout()
