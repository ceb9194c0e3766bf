r"""Tests for the energy_gans.terminal module."""

import io
import sys

import pytest

from energy_gans.terminal import PRINTED, print_first, say


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", "é 猫 \\udcff"),
        ("latin-1", "é \\u732b \\udcff"),
        ("ascii", "\\xe9 \\u732b \\udcff"),
    ],
)
def test_what_a_terminal_can_not_show_is_escaped(
    monkeypatch: pytest.MonkeyPatch, encoding: str, expected: str
) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    monkeypatch.setattr(sys, "stdout", terminal)
    say("é 猫 \udcff")
    terminal.flush()
    assert terminal.buffer.getvalue().decode(encoding) == f"{expected}\n"


@pytest.mark.parametrize("n", [0, 1, PRINTED, PRINTED + 3])
def test_the_first_of_many_are_named(capsys: pytest.CaptureFixture, n: int) -> None:
    print_first("things", [str(i) for i in range(n)])
    lines = capsys.readouterr().out.splitlines()
    first = [f"{n} things, which the manifest names:"] if n else []
    assert lines == first + [f"  {i}" for i in range(min(n, PRINTED))]
