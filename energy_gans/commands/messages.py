r"""What jsonargparse says, in one sentence."""

from __future__ import annotations

import difflib
import inspect
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from jsonargparse import ArgumentParser


class OneSentence(ArgumentParser):
    r"""Creates a parser that says what is wrong in one sentence, not in pages of usage."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        if not self.exit_on_error:
            super().error(message, ex)
        sys.exit(f"energy-gans: error: {sentence(message)}")


def sentence(message: str) -> str:
    r"""Returns what matters of a message of jsonargparse, and the nearest right name if there is one."""
    if "Given value" not in message and "\n" not in message:
        return message
    keys = re.findall(r"Parser key \"([^\"]+)\"", message)
    classes = re.findall(r"given class_path '([^']+)'", message)
    skipped = (
        "Parser key",
        "Does not validate",
        "Subtypes:",
        "Errors:",
        "Given value",
        "Expected a <class 'NoneType'>",
        "Not a valid subclass of",
        "Subclass types expect one of",
        "a class path (str)",
        "a dict with",
    )
    lines = [line.strip(" -") for line in message.splitlines()]
    told = [
        s for s in lines if s and not s.startswith((*skipped, "Problem with given class_path"))
    ]
    where = ".".join(keys) + (f" ({classes[-1]})" if classes else "")
    text = f"{where}: {' '.join(told)}" if where else " ".join(told)
    return text + nearest(text, classes)


def nearest(text: str, classes: Sequence[str]) -> str:
    r"""Returns ` Did you mean ...?` for a name that is unknown to the last of the classes or to a module.

    A message may quote a file of unknown origin, so nothing that it names is imported: what jsonargparse
    complains about, it has imported already.
    """
    names: list[str] = []
    wrong = ""
    if found := re.search(r"Option '([^']+)' is not accepted", text):
        wrong = found[1].split(".")[-1]
        module, _, name = classes[-1].rpartition(".") if classes else ("", "", "")
        known = getattr(sys.modules.get(module), name, None)
        for base in getattr(known, "__mro__", ()):
            names += inspect.signature(base.__init__).parameters
    elif found := re.search(r"module '([^']+)' has no attribute '([^']+)'", text):
        wrong, names = found[2], list(getattr(sys.modules.get(found[1]), "__dict__", ()))
    close = difflib.get_close_matches(wrong, names, n=1)
    return f". Did you mean {close[0]!r}?" if close else ""
