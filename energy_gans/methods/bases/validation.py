r"""What the validation, test and prediction loops of a trainer do with a method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from ...batch_formats import check_values, split_labels
from ...functional import energy_distance
from ..parts.recent_samples import RecentSamples

Measure = Callable[[Tensor, Tensor], Tensor]


class ValidationMixin:
    r"""Gives a :class:`GenerativeModule` the steps of validation, test and prediction."""

    def validation_measures(self) -> dict[str, Measure]:
        r"""Returns the measures that a validation logs, by name.

        Each is a function of a batch of real samples and of as many generated samples.
        """
        return {"val/energy_distance": energy_distance}

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        r"""Logs :meth:`validation_measures` of a batch. Lightning averages them over batches.

        Raises:
            ValueError: If values of the batch are out of the range of data, or the networks do not
                fit it.
        """
        if self.trainer.sanity_checking and self._waits_for_images():
            return
        y, _ = self.read_batch(batch)
        if batch_idx == 0:
            check_values(split_labels(batch)[0])
            if len(y) > 0 and not self.checked:
                # A plain trainer validates before the first training batch is checked.
                self.check_networks(y)
        place = self.place_of_batch(batch_idx)
        values = dict.fromkeys(self.validation_measures(), y.new_zeros(()))
        # The last batch may hold one sample alone, which has no distance to another one, and a
        # process may run out of batches. The first batch of all is that small only if the set is.
        n = len(y) if len(y) > 1 or place == 0 else 0
        if n or place == 0:
            x = self.sample(len(y), random=self.observing("validation", place))
            values = {name: f(y, x) for name, f in self.validation_measures().items()}
        # Lightning rounds the mean of integer batch sizes over processes, but not that of floats.
        self.log_dict(values, sync_dist=True, batch_size=float(n))

    def _waits_for_images(self) -> bool:
        r"""Returns whether samples start at images of the training, and there was none yet."""
        buffers = [one for one in self.modules() if isinstance(one, RecentSamples)]
        return any(not one.seen for one in buffers)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self.validation_step(batch, batch_idx)

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        y, _ = self.read_batch(batch)
        random = self.observing("predict", self.place_of_batch(batch_idx))
        return self.sample(len(y), random=random) if len(y) else y
