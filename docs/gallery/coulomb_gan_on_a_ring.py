r"""
A Coulomb GAN on a ring
=======================

A config that comes with the package, trained from Python in a quarter of its steps.
"""

# %%
# :func:`energy_gans.fit` runs a config. Its second argument changes keys of the config, as
# ``--KEY VALUE`` does on the command line.

import matplotlib.pyplot as plt

import energy_gans

run = energy_gans.fit(
    "coulomb/ring",
    {
        "trainer.max_steps": 150,
        "model.generator_scheduler.total_iters": 150,
        "model.discriminator_scheduler.total_iters": 150,
    },
)

# %%
# :func:`energy_gans.sample` draws from the trained model.

x = energy_gans.sample(run.model, 1000).x
print(x.shape)

# %%
# The potential that the discriminator has learned is high where real points lack generated ones.
# Where both densities agree, it is flat.

picture = energy_gans.landscape(run.folder).picture
figure, axis = plt.subplots(figsize=(picture.width / 140, picture.height / 140))
axis.imshow(picture)
axis.axis("off")
figure.tight_layout(pad=0)

# %%
# A run is a folder with its config, its curves and its checkpoints. The command line reads the
# same folder: ``energy-gans report --run runs/coulomb_ring``.

print(sorted(path.name for path in run.folder.iterdir()))
