r"""Tests for the energy_gans.terminal module."""

import io
import sys
from types import SimpleNamespace

import pytest

from energy_gans.terminal import PRINTED, first_lines, is_printing, printing, progress_bar, say


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
    with printing():
        say("é 猫 \udcff")
    terminal.flush()
    assert terminal.buffer.getvalue().decode(encoding) == f"{expected}\n"


@pytest.mark.parametrize("n", [0, 1, PRINTED, PRINTED + 3])
def test_the_first_of_many_are_named(n: int) -> None:
    first = [f"{n} things, which the manifest names:"] if n else []
    assert first_lines("things", [str(i) for i in range(n)]) == first + [
        f"  {i}" for i in range(min(n, PRINTED))
    ]


def test_only_the_command_line_prints_and_draws(capfd: pytest.CaptureFixture) -> None:
    def work() -> None:
        say("words")
        with progress_bar(2, "images") as bar:
            bar.refresh()

    work()
    assert capfd.readouterr() == ("", "")
    with pytest.raises(ZeroDivisionError), printing():
        work()
        assert is_printing()
        raise ZeroDivisionError
    shown = capfd.readouterr()
    assert shown.out == "words\n"
    assert "0/2" in shown.err
    assert not is_printing()


def test_notebooks_show_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    bar = progress_bar(2, "images")
    assert not bar.disable
    bar.close()
