r"""Errors that a user can correct, each as one sentence."""

from __future__ import annotations

import re
import sys
import traceback
from pathlib import Path

from .suggestions import suggest_value

PACKAGE = Path(__file__).parents[1]


def sentence_of(error: Exception) -> str | None:
    r"""Returns the sentence of an error for the user, or `None` if the error is a bug."""
    if isinstance(error, (OSError, *_misconfiguration())):
        return str(error)
    if isinstance(error, _wandb_errors()):
        return f"wandb: {str(error).rstrip('.')}. --trainer.logger.offline true needs no account."
    if isinstance(error, (MemoryError, RuntimeError)):
        return _what_is_lacking(error)
    if not isinstance(error, (ValueError, FloatingPointError, ModuleNotFoundError)):
        return None
    # What this package raises is a sentence for the user.
    raised_in = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    if PACKAGE in raised_in.parents:
        return suggest_value(str(error))
    if "Union subtypes" not in str(error):
        return None
    from .messages import sentence

    return sentence(str(error))


def _what_is_lacking(error: Exception) -> str | None:
    r"""Returns the sentence on a lack of memory, or on a base class; else `None`."""
    name, text = type(error).__name__, str(error)
    if name in ("MemoryError", "OutOfMemoryError") or "can't allocate memory" in text:
        size = re.search(r"allocate ([\d.]+ \w+)", text)
        return (
            f"There is not enough memory{f' for {size[1]} at once' if size else ''}: ask for "
            "fewer samples, or for a smaller batch."
        )
    if isinstance(error, NotImplementedError):
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        if PACKAGE in Path(frame.f_code.co_filename).parents and "self" in frame.f_locals:
            return (
                f"{type(frame.f_locals['self']).__name__} does not implement "
                f"{frame.f_code.co_name!r}: give one of its subclasses."
            )
    return None


def _misconfiguration() -> tuple[type[Exception], ...]:
    r"""Returns Lightning's error of a wrong setting, once Lightning is there to raise it."""
    module = sys.modules.get("lightning.fabric.utilities.exceptions")
    return () if module is None else (module.MisconfigurationException,)


def _wandb_errors() -> tuple[type[Exception], ...]:
    r"""Returns the errors of wandb, once it is there to raise them."""
    module = sys.modules.get("wandb.errors")
    return () if module is None else (module.Error,)
