r"""
A potential flow from noise to data
===================================

VAPO learns a potential whose gradient moves noise to the data.
"""

# %%
# Networks are plain modules, data sets are LightningDataModules, and methods are LightningModules:
# Lightning's trainer puts them together.

import matplotlib.pyplot as plt
import torch
from lightning import Trainer, seed_everything

import energy_gans
from energy_gans import VAPO
from energy_gans.data import Moons
from energy_gans.networks import FourierMLP

seed_everything(0)
network = FourierMLP(2, [128, 128], frequencies=32, bandwidth=0.5, time_conditioned=True)
model = VAPO(
    network,
    shape=[2],
    time_conditioned=True,
    estimator="e4",
    sigma=0.05,
    descriptor_optimizer=lambda parameters: torch.optim.Adam(parameters, 2e-3),
    updates_per_step=10,
)
data = Moons(batch_size=2560)
trainer = Trainer(max_steps=100, logger=False, enable_checkpointing=False)
trainer.fit(model, data)

# %%
# The potential depends on time. Red points are samples on their way along its gradient.

picture = energy_gans.landscape(model, data=data, n=400).picture
figure, axis = plt.subplots(figsize=(picture.width / 140, picture.height / 140))
axis.imshow(picture)
axis.axis("off")
figure.tight_layout(pad=0)
