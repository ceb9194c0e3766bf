r"""Fields with their settings: what a generator or free particles follow.

A field :math:`V(a)` of real samples :math:`y` and generated samples :math:`x` moves a sample at
:math:`a`. The classes of this module hold the settings of the fields of
:mod:`energy_gans.functional`, so that a config names a field by its class path.

======================  =========  ===========================================================
Field                   Range      Vanishes only for equal distributions
======================  =========  ===========================================================
`PlummerField`          long       yes, the kernel is positive definite
`ElasticField`          long       with the softening `"plummer"`
`EnergyDistanceField`   long       yes
`SlicedField`           long       in the mean over directions, which is `EnergyDistanceField`
`ImageSlicedField`      long       no, for equal distributions of parts of images
`ScatteringField`       long       in the mean over triples, which is `EnergyDistanceField`
`GaussianField`         bandwidth  yes, but the force of far samples underflows
`MeanShiftField`        bandwidth  with the kernels `"gaussian"` and `"sharp"`
`DriftingField`         bandwidth  not known
`SinkhornField`         long       yes, as the divergence is positive definite
======================  =========  ===========================================================
"""

from .base import ParticleField, SumOfFields
from .potential_fields import (
    ElasticField,
    EnergyDistanceField,
    GaussianField,
    KernelField,
    PlummerField,
)
from .random_fields import ImageSlicedField, ScatteringField, SlicedField
from .weighted_fields import DriftingField, MeanShiftField, SinkhornField

__all__ = [
    "DriftingField",
    "ElasticField",
    "EnergyDistanceField",
    "GaussianField",
    "ImageSlicedField",
    "KernelField",
    "MeanShiftField",
    "ParticleField",
    "PlummerField",
    "ScatteringField",
    "SinkhornField",
    "SlicedField",
    "SumOfFields",
]
