"""The pull of a real point by its distance, for kernels of long and of short range."""

import matplotlib.pyplot as plt
import torch

r = torch.linspace(0, 3, 400)
softening, width = 0.2, 0.3
pulls = {
    "energy distance: no decay": torch.ones_like(r),
    "Coulomb: a power": r / (r**2 + softening**2) ** 1.5,
    "Gaussian: vanishes beyond its width": r / width**2 * torch.exp(-(r**2) / (2 * width**2)),
}
figure, axis = plt.subplots(figsize=(7, 3.2))
for (name, pull), style in zip(pulls.items(), ["-", "--", ":"], strict=True):
    axis.plot(r, pull / pull.max(), style, label=name, linewidth=2)
axis.set(xlabel="distance from a real point", ylabel="pull (largest = 1)", xlim=(0, 3))
axis.legend()
figure.tight_layout()
