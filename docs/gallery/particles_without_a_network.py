r"""
Particles without a network
===========================

Generated points that move freely along a field become samples of the data.
"""

# %%
# The particles start as noise, and the data is a mixture of 25 Gaussians.

import matplotlib.pyplot as plt
import torch

from energy_gans.data import Grid
from energy_gans.fields import EnergyDistanceField
from energy_gans.functional import evolve

torch.manual_seed(0)
data = Grid(side=5, spacing=0.7, std=0.07)
y = data.means[torch.randint(25, (500,))] + data.std * torch.randn(500, 2)
x = torch.randn(500, 2)

# %%
# Each step moves all particles along the field of the real points and of the particles themselves.

field = EnergyDistanceField()
states = [x, *evolve(x, [y] * 200, lambda x, y: field(x, y, x), step_size=0.05, momentum=0.9)]

# %%
# Particles that repel each other spread over all modes.

times = [0, 10, 40, 200]
figure, axes = plt.subplots(1, 4, figsize=(12, 3.2), sharex=True, sharey=True)
for axis, time in zip(axes, times, strict=True):
    axis.scatter(*y.T, s=2, color="#4a4f57")
    axis.scatter(*states[time].T, s=4, color="#d1495b")
    axis.set(title=f"step {time}", aspect="equal", xlim=(-2.2, 2.2), ylim=(-2.2, 2.2))
figure.tight_layout()
