r"""Where a run stands in the trainer's loops, as a checkpoint says it.

Lightning's loops count batches and epochs at several places of a step, so what a checkpoint says of
them depends on the hook that writes it: in the middle of a step, after its validation, or at the end
of a run, which it counts as the end of an epoch. Here the counters are those between two steps,
whichever hook writes, and a function of the step alone: a run that is resumed, or extended, counts and
logs its steps and epochs as the run that went on.
"""

from __future__ import annotations

from typing import Any


def place_between_steps(checkpoint: dict[str, Any], step: int, epoch_length: float) -> None:
    r"""Sets the counters of a checkpoint's loops to those between a step and the next.

    Arguments:
        checkpoint: The contents of the checkpoint, which are changed.
        step: The number of steps that were made.
        epoch_length: The number of steps of an epoch; nothing is changed if it is infinite.
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
