r"""Pictures of arrays: images, points and potentials in the plane, curves, histograms. They know no model and no run."""
