"""The potential of real and generated points, as a landscape with arrows uphill."""

import matplotlib.pyplot as plt
import torch

from energy_gans.functional import plummer, potential, potential_gradient

torch.manual_seed(0)
y = torch.cat([torch.randn(150, 2) * 0.2 + torch.tensor(c) for c in ([-1.2, 0.6], [1.1, 0.7])])
x = torch.randn(300, 2) * 0.3 + torch.tensor([0.0, -0.8])


def phi(a: torch.Tensor) -> torch.Tensor:
    return potential(a, y, x, lambda a, b: plummer(a, b, power=1.0, epsilon=0.3))


u, v = torch.meshgrid(torch.linspace(-2.2, 2.2, 89), torch.linspace(-1.8, 1.8, 73), indexing="xy")
a = torch.stack([u, v], -1)
height = phi(a.reshape(-1, 2)).reshape(u.shape)
coarse = a[4::8, 4::8].reshape(-1, 2)
arrows = torch.nn.functional.normalize(potential_gradient(phi)(coarse), dim=1)

figure, axis = plt.subplots(figsize=(7, 5))
colours = axis.contourf(u, v, height, 24, cmap="YlGnBu_r", alpha=0.7)
axis.quiver(*coarse.T, *arrows.T, color="#4d4d4d", width=2.5e-3, scale=32)
axis.scatter(*y.T, s=5, color="#4a4f57", label="real")
axis.scatter(*x.T, s=5, color="#d1495b", label="generated")
figure.colorbar(colours, label="potential")
axis.legend(loc="upper center")
axis.set(aspect="equal", xlim=(-2.2, 2.2), ylim=(-1.8, 1.8))
figure.tight_layout()
