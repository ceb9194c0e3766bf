r"""A classifier of a data set as a feature space, for images that do not resemble ImageNet's.

The EIEG GAN paper measures the Inception Score on FashionMNIST with such a classifier.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .encoder import CLASSIFIER, NAMES, TrainedEncoder, save_encoder
from .resnet import PreActResNet

__all__ = ["DomainClassifier", "PreActResNet", "save_classifier"]

# The name from before there were encoders of other kinds.
save_classifier = save_encoder


class DomainClassifier(TrainedEncoder):
    r"""The extractor with a classifier that `energy-gans features train` wrote.

    Images are resized to the size of the images that the classifier was trained on.

    Arguments:
        path: The path of the classifier's file, or `None` if a state dict brings the classifier.

    Attributes:
        metadata: The `metadata` of the file, see :func:`train_classifier`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, or holds no classifier.
    """

    name = NAMES[CLASSIFIER]

    def _build(self, metadata: Mapping[str, Any], sha256: str) -> None:
        super()._build(metadata, sha256)
        if self.num_classes is None:
            raise LookupError("The encoder has no classes.")

    def _refusal(self, said: str) -> str:
        return f"{said} is no classifier that `energy-gans features train` wrote."
