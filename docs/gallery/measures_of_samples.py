r"""
What measures say
=================

Four generators of known quality, and the measures that tell them apart.
"""

# %%
# The digits come with the package. Half of them are the reference, the other half plays the
# generators.

import matplotlib.pyplot as plt
import torch
from torchvision.transforms.functional import gaussian_blur

from energy_gans.data import EmbeddedDigits
from energy_gans.metrics import DensityCoverage, FrechetDistance, PrecisionRecall
from energy_gans.metrics.features import Pixels

torch.manual_seed(0)
images, _ = EmbeddedDigits(size=28).load("train")
images = images[torch.randperm(len(images))] / 127.5 - 1
y, held_out = images[:1000], images[1000:2000]
generators = {
    "perfect": held_out,
    "blurred": gaussian_blur(held_out, [7, 7]),
    "noisy": (held_out + 0.4 * torch.randn_like(held_out)).clamp(-1, 1),
    "50 digits, repeated": held_out[torch.randint(50, (1000,))],
}

# %%
# The metrics are torchmetrics classes. Here their features are the pixels, which is fast. For
# other images, leave the extractor out: then it is a network that comes with the package.

pixels = Pixels((1, 28, 28))
measures = {
    "Fréchet distance": FrechetDistance(pixels),
    "precision, recall": PrecisionRecall(pixels),
    "density, coverage": DensityCoverage(pixels),
}
for name, x in generators.items():
    for label, measure in measures.items():
        measure.reset()
        measure.update(y, real=True)
        measure.update(x, real=False)
        value = measure.compute()
        values = value if isinstance(value, tuple) else (value,)
        print(f"{name:20} {label}: {', '.join(f'{v:.2f}' for v in values)}")

# %%
# Blurred samples lie inside of the data: their precision is perfect, and their recall is not.
# Repeated digits are real, so precision and density see nothing wrong. Recall and coverage do.

figure, axes = plt.subplots(4, 1, figsize=(8, 4))
for axis, (name, x) in zip(axes, generators.items(), strict=True):
    axis.imshow(torch.cat([*x[:16, 0]], 1), cmap="gray")
    axis.set(title=name, xticks=[], yticks=[])
figure.tight_layout()
