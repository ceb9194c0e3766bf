r"""Tests for the energy_gans.metrics.features.checks module."""

import pytest
import torch
from torch import Tensor

from energy_gans.metrics.features import FeatureExtractor

IMAGES = torch.zeros(3, 3, 4, 4, dtype=torch.uint8)


class Own(FeatureExtractor):
    r"""An extractor that returns given outputs, for batches of three."""

    name, resize, num_features, at_once = "own", "none", 5, 3

    def __init__(self, outputs: object, num_classes: int | None = None) -> None:
        super().__init__()
        self.outputs, self.num_classes = outputs, num_classes

    def extract(self, images: Tensor) -> tuple:
        return self.outputs


@pytest.mark.parametrize("missing", ["name", "num_features", "resize"])
@pytest.mark.parametrize("value", [None, 0, ""])
def test_missing_attributes_are_named(missing: str, value: object) -> None:
    extractor = Own((torch.zeros(3, 5), None))
    setattr(extractor, missing, value)
    for use in (extractor.stamp, lambda: extractor(IMAGES)):
        with pytest.raises(ValueError, match=f"Own should have an attribute '{missing}', such as"):
            use()


def test_an_extractor_that_says_nothing_is_told_what_to_say() -> None:
    class Silent(FeatureExtractor):
        pass

    with pytest.raises(ValueError, match="Silent should have an attribute 'name', such as 'mine'"):
        Silent().stamp()


@pytest.mark.parametrize(
    "outputs, classes, told",
    [
        (torch.zeros(3, 5), None, "a tuple of features and logits, .* got float32 of shape"),
        ((torch.zeros(3, 5),), None, "a tuple of features and logits, .* got a tuple"),
        ((torch.zeros(3, 5), None, None), None, "a tuple of features and logits"),
        (None, None, "a tuple of features and logits, .* got None"),
        (
            (torch.zeros(3, 6), None),
            None,
            "'num_features' = 5: .* (3, 5), got float32 of .*(3, 6)",
        ),
        ((torch.zeros(3, 5, 1), None), None, "'num_features' = 5: .* got float32 of .*(3, 5, 1)"),
        ((torch.zeros(5), None), None, "'num_features' = 5: .* got float32 of shape (5,)"),
        ((torch.zeros(2, 5), None), None, "the features that it makes of 3 images .*(2, 5)"),
        ((torch.zeros(3, 5).long(), None), None, "floats of shape (3, 5), got int64 of"),
        (([0.0] * 5, None), None, "floats of shape (3, 5), got a list"),
        (((3, 5), None), None, "floats of shape (3, 5), got a tuple"),
        ((None, None), None, "floats of shape (3, 5), got None"),
        (
            (torch.zeros(3, 5), torch.zeros(3, 2)),
            None,
            "'num_classes' = None: .* None, got float32",
        ),
        ((torch.zeros(3, 5), None), 2, "'num_classes' = 2: the logits .* (3, 2), got None"),
        ((torch.zeros(3, 5), torch.zeros(3, 4)), 2, "'num_classes' = 2: .* (3, 2), got .*(3, 4)"),
    ],
)
def test_outputs_that_the_attributes_do_not_say_are_refused(
    outputs: object, classes: int | None, told: str
) -> None:
    told = told.replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ValueError, match=f"^The extractor 'own' .*{told}"):
        Own(outputs, classes)(IMAGES)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_floats_of_any_precision_become_float32(dtype: torch.dtype) -> None:
    features, logits = Own((torch.ones(3, 5, dtype=dtype), torch.ones(3, 2, dtype=dtype)), 2)(
        IMAGES
    )
    assert features.dtype == logits.dtype == torch.float32
