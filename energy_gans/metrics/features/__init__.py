r"""Feature extractors for measures, and maps to their features with gradients."""

from .base import FeatureExtractor, FeaturesOnly
from .classifier import DomainClassifier, save_classifier
from .efficientnet import EfficientNetLite0
from .encoder import TrainedEncoder, save_encoder
from .encoder_training import train_encoder
from .feature_map import FeatureMap
from .inception import Inception
from .pixels import Pixels
from .training import train_classifier

__all__ = [
    "DomainClassifier",
    "EfficientNetLite0",
    "FeatureExtractor",
    "FeatureMap",
    "FeaturesOnly",
    "Inception",
    "Pixels",
    "TrainedEncoder",
    "save_classifier",
    "save_encoder",
    "train_classifier",
    "train_encoder",
]
