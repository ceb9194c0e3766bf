r"""Former names of members, which remain for one release."""

from __future__ import annotations

import warnings
from typing import Any


class RenamedProperty:
    r"""A property under its former name. Reading it emits a `DeprecationWarning`.

    Arguments:
        old: The former name.
        new: The present name.
        present: The property itself.
    """

    def __init__(self, old: str, new: str, present: property) -> None:
        self.old, self.new, self.present = old, new, present

    def __get__(self, model: object | None, owner: type | None = None) -> Any:
        if model is None:
            return self
        warnings.warn(f"{self.old!r} is named {self.new!r} now.", DeprecationWarning, stacklevel=2)
        return self.present.__get__(model, owner)


def adopt_former_name(cls: type, old: str, new: str) -> None:
    r"""Makes a class that overrides a property by its former name override the present one.

    Reading the former name gives the property of the class itself, so that an override may go on
    reading `super().old`.

    Arguments:
        cls: The class, in its `__init_subclass__`.
        old: The former name.
        new: The present name.
    """
    for base in cls.__mro__:
        if new in vars(base):
            break
        override = vars(base).get(old)
        if override is not None and not isinstance(override, RenamedProperty):
            warnings.warn(
                f"{base.__qualname__} overrides {old!r}, which is named {new!r} now.",
                DeprecationWarning,
                stacklevel=3,
            )
            setattr(cls, new, override)
            break
    setattr(cls, old, RenamedProperty(old, new, getattr(cls, new)))
