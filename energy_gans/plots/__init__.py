r"""Pictures of arrays: images, points and potentials in the plane, curves, histograms, sheets.

Functions that return pictures take arrays and callables, never models or runs.
"""
