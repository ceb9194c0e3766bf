r"""Generative models that move particles in a field.

Real samples attract, generated samples repel.
"""

__version__ = "0.2.0"
