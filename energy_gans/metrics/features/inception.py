r"""Inception-v3 of torch-fidelity: the features of the published FID.

The network and its weights are those of the TensorFlow graph of 2015-12-05. Images are resized to
299x299 as in TensorFlow 1: output pixel :math:`i` of :math:`n` is interpolated at :math:`i H / n`,
without a shift by half a pixel and without antialiasing. Fréchet distances with other weights or
another resizing are not FIDs.

References:
    GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium (Heusel et
    al., 2017), https://arxiv.org/abs/1706.08500
    On Aliased Resizing and Surprising Subtleties in GAN Evaluation (Parmar et al., 2022),
    https://arxiv.org/abs/2104.11222
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .base import FeatureExtractor, Output, load_weights

FILE = "weights-inception-2015-12-05-6726825d.pth"


class Inception(FeatureExtractor):
    r"""Inception-v3, with 2048 pooled features and 1008 logits, without biases, for the score.

    The weights are not downloaded.

    Arguments:
        weights: The file of weights; the published file in torch's download folder
            `$TORCH_HOME/hub/checkpoints` if `None`.

    Attributes:
        standard: Whether the file is the published one, by the first digits of its SHA-256, which
            are part of the published name.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file does not hold the network's weights.
    """

    name = "inception"
    num_features = 2048
    num_classes = 1008
    resize = "bilinear, TensorFlow 1, 299"
    files_of_weights = ("weights",)

    def __init__(self, weights: str | None = None) -> None:
        super().__init__()
        path = _published_path() if weights is None else Path(weights)
        state, self.sha256 = load_weights("weights", path)
        self.standard = self.sha256[:8] == Path(FILE).stem[-8:]
        self.network = _torch_fidelity_network(state, path)

    def extract(self, images: Tensor) -> Output:
        if images.dtype != torch.uint8:
            raise ValueError(
                "'extractor' should be one that reads floats, such as EfficientNetLite0: "
                "torch-fidelity's Inception-v3 reads uint8, so that images have no gradients."
            )
        return self.network(images)


def _published_path() -> Path:
    r"""Returns the path of the published weights.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"Inception's weights are not here. Get {FILE}, of release v0.2.0 of torch-fidelity "
            f"(https://github.com/toshas/torch-fidelity/releases), and put it at {path}, or give "
            "its path as 'weights'."
        )
    return path


def _torch_fidelity_network(state: dict[str, Any], path: Path) -> nn.Module:
    r"""Returns torch-fidelity's network with weights from :func:`load_weights`."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    # torch-fidelity unpickles the file without checks, so it gets a copy of the weights instead.
    copy = io.BytesIO()
    torch.save(state, copy)
    copy.seek(0)
    try:
        # Drawing initial weights would advance the run's random numbers.
        with torch.random.fork_rng(devices=[]):
            return FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], copy)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ValueError(
            f"'weights' = {str(path)!r} does not hold the weights of torch-fidelity's "
            "Inception-v3."
        ) from error
