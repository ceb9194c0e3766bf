r"""How well a score tells inliers from outliers, and a baseline that learns nothing.

A score is high for inliers. The measures are those of scikit-learn: the area under the curve of
true over false positive rates (AUROC), which is the probability that an inlier scores above an
outlier; the average precision with inliers as the positive class (AUPR), which depends on the
sizes of both sets; and the share of outliers that score as high as the top 95% of inliers
(FPR@95).

Two sets of images can differ in something as simple as brightness or contrast. The baseline
detects that: with the vector :math:`u` of the mean, the standard deviation and the total variation
per pixel of an image, and its mean :math:`m` and covariance :math:`C` over training images, its
score is

.. math:: - (u - m)^T C^{-1} (u - m)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from sklearn.covariance import EmpiricalCovariance
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve
from torch import Tensor
from torchmetrics.functional.image import total_variation

from ...plots.histograms import HELD_OUT, TRAINING
from ..outputs import markdown_table

BASELINE = "image statistics"
STATISTICS = (
    "minus the squared Mahalanobis distance of mean, standard deviation and total variation"
)
COLUMNS = {"auroc": "AUROC", "aupr": "AUPR", "fpr95": "FPR@95"}
TRUE_POSITIVES = 0.95


def _detection_measures(inliers: Tensor, outliers: Tensor) -> dict[str, float]:
    r"""Returns how well scores tell inliers from outliers.

    Arguments:
        inliers: The scores of inliers, which should be high, with shape :math:`(N)`.
        outliers: The scores of outliers, with shape :math:`(M)`.
    """
    score = torch.cat([inliers, outliers]).numpy()
    inlier = torch.arange(len(score)).numpy() < len(inliers)
    false, true, _ = roc_curve(inlier, score, drop_intermediate=False)
    values = {
        "auroc": roc_auc_score(inlier, score),
        "aupr": average_precision_score(inlier, score),
        "fpr95": false[true >= TRUE_POSITIVES][0],
    }
    return {name: float(value) for name, value in values.items()}


def image_statistics(y: Tensor) -> Tensor:
    r"""Returns the mean, the standard deviation and the total variation per pixel of images.

    Arguments:
        y: The images in [-1, 1], with shape :math:`(N, C, H, W)`.

    Returns:
        The statistics, float64, with shape :math:`(N, 3)`.
    """
    pixels = y.flatten(1).double()
    variation = total_variation(y.double(), reduction="none") / pixels.shape[1]
    return torch.stack([pixels.mean(1), pixels.std(1, correction=0), variation], 1)


def statistics_score(training: Tensor) -> Callable[[Tensor], Tensor]:
    r"""Returns the baseline's score as a function of image statistics.

    Arguments:
        training: The statistics of training images, with shape :math:`(N, 3)`.
    """
    fitted = EmpiricalCovariance().fit(training.numpy())
    return lambda u: -torch.from_numpy(fitted.mahalanobis(u.numpy()))


def compare_scores(
    scores: Mapping[str, Mapping[str, Tensor]],
) -> dict[str, dict[str, str | dict[str, float]]]:
    r"""Returns how well each score detects each set of outliers, by the name of the set.

    The first entry has training images as inliers and held-out images as outliers. The AUROC of a
    model that does not over-fit is 0.5 there.

    Arguments:
        scores: The scores of each set of images, with shape :math:`(N)`, by the name of the score
            and the name of the set. The first two sets are the training and the held-out images.
    """
    sets = list(next(iter(scores.values())))[1:]
    measures = {}
    for outliers in sets:
        inliers = TRAINING if outliers == HELD_OUT else HELD_OUT
        found = {name: _detection_measures(s[inliers], s[outliers]) for name, s in scores.items()}
        measures[outliers] = {"inliers": inliers} | found
    return measures


def scores_table(
    measures: Mapping[str, Mapping[str, str | dict[str, float]]], counts: Mapping[str, int]
) -> str:
    r"""Returns measures as a table in Markdown, a row for each set of outliers.

    Arguments:
        measures: The measures, as from :func:`compare_scores`.
        counts: The number of images in each set.
    """
    first = next(iter(measures.values()))
    names = [name for name in first if name != "inliers"]
    headings = ["inliers", "outliers"]
    headings += [f"{c} of {name}" for name in names for c in COLUMNS.values()]
    rows = [headings]
    for outliers, row in measures.items():
        cells = [f"{row[name][key]:.4f}" for name in names for key in COLUMNS]
        pair = [f"{name} ({counts[name]:,})" for name in (row["inliers"], outliers)]
        rows.append([*pair, *cells])
    return markdown_table(rows)
