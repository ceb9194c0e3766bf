r"""
Fields of two sets of points
============================

Real points attract, generated points repel. Four fields of the same two sets show how far each one
reaches.
"""

# %%
# Eight modes of real points lie on a ring. All generated points lie around one of them.

import matplotlib.pyplot as plt
import torch

from energy_gans.fields import DriftingField, EnergyDistanceField, MeanShiftField, PlummerField

torch.manual_seed(0)
angles = torch.arange(8) * torch.pi / 4
modes = torch.stack([angles.cos(), angles.sin()], 1)
y = modes.repeat_interleave(64, 0) + 0.05 * torch.randn(512, 2)
x = modes[:1] + 0.15 * torch.randn(512, 2)

# %%
# A field is a callable of the points at which it acts, the real and the generated points. It
# returns the velocity of a generated point at each of them.

side = torch.linspace(-1.6, 1.6, 17)
a = torch.cartesian_prod(side, side)
fields = {
    "energy distance: no decay": EnergyDistanceField(),
    "Coulomb: a power of the distance": PlummerField(power=1.0, epsilon=0.2),
    "mean shift: exponential": MeanShiftField(bandwidth=0.1, kernel="sharp"),
    "drifting: exponential": DriftingField(bandwidth=0.1),
}
figure, axes = plt.subplots(2, 2, figsize=(9, 9), sharex=True, sharey=True)
for axis, (name, field) in zip(axes.flat, fields.items(), strict=True):
    v = field(a, y, x)
    speed = v.norm(dim=1)
    axis.scatter(*y.T, s=2, color="#4a4f57", label="real")
    axis.scatter(*x.T, s=2, color="#d1495b", label="generated")
    axis.quiver(*a.T, *(v / speed[:, None]).T, speed, cmap="viridis", width=4e-3, scale=24)
    axis.set(title=name, aspect="equal")
axes[0, 0].legend(loc="upper left")
figure.tight_layout()

# %%
# Long-range fields point from the crowded mode to the empty ones, from everywhere: they set the
# weights of modes. Short-range fields weigh the nearest points only. Inside of the crowded mode
# they see no other mode, and move generated points to where real ones are dense there.
