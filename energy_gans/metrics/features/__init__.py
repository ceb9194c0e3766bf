r"""Feature extractors, whose features the measures compare."""

from .base import FeatureExtractor, FeaturesOnly
from .classifier import DomainClassifier, save_classifier
from .efficientnet import EfficientNetLite0
from .inception import Inception
from .pixels import Pixels
from .training import train_classifier

__all__ = [
    "DomainClassifier",
    "EfficientNetLite0",
    "FeatureExtractor",
    "FeaturesOnly",
    "Inception",
    "Pixels",
    "save_classifier",
    "train_classifier",
]
