r"""The progress of the trainer's loops in a checkpoint.

Lightning's loops count batches and epochs at several points of a step. The counters in a
checkpoint therefore depend on the hook that writes it: in the middle of a step, after its
validation, or at the end of a run, which Lightning counts as the end of an epoch. Here, the
counters are set to those between two steps, for all hooks. They are a function of the step alone,
so that a run that is resumed or extended counts and logs its steps and epochs as an uninterrupted
run does.
"""

from __future__ import annotations

from typing import Any


def place_between_steps(checkpoint: dict[str, Any], step: int, epoch_length: float) -> None:
    r"""Sets the counters of a checkpoint's loops to those between two steps.

    Arguments:
        checkpoint: The contents of the checkpoint, which are changed in place.
        step: The number of completed steps.
        epoch_length: The number of steps in an epoch. If it is infinite, nothing changes.
    """
    if epoch_length == float("inf"):
        return
    epoch, batch = divmod(step, int(epoch_length))
    begun, fit_loop = epoch + (batch > 0), checkpoint["loops"]["fit_loop"]
    checkpoint["epoch"] = epoch
    epochs = {"ready": begun, "started": begun, "processed": epoch, "completed": epoch}
    for extent, batches in (("total", step), ("current", batch)):
        fit_loop["epoch_progress"][extent].update(epochs)
        counters = fit_loop["epoch_loop.batch_progress"][extent]
        counters.update(dict.fromkeys(counters, batches))
    fit_loop["epoch_loop.batch_progress"]["is_last_batch"] = False
    fit_loop["epoch_loop.state_dict"]["_batches_that_stepped"] = step
