r"""Tests for the energy_gans.cli.workbench and signatures modules: commands and their help."""

import inspect
import re
import subprocess
import sys

import pytest

import energy_gans
from energy_gans.cli import main
from energy_gans.cli.signatures import first_line, for_command_line, outline
from energy_gans.cli.workbench import help_lines
from energy_gans.commands import COMMANDS, OUTPUTS, Tree, function_of

LISTED = dict(help_lines())
# What only Python can give.
LIVE = r"\bTensor\b|ndarray|GenerativeModule|PathLike"
# The help of these names classes that can be given.
NAME_CLASSES = ("evaluate", "features picture", "features train", "inpaint", "ood", "particles")


def leaves(tree: Tree) -> dict[str, tuple[str, str]]:
    r"""Returns the name and the module of every command's function."""
    found = {}
    for name, entry in tree.items():
        if isinstance(entry, dict):
            found |= {f"{name} {inner}": where for inner, where in leaves(entry).items()}
        elif name != "_help":
            found[name] = (name, entry)
    return found


FUNCTIONS = leaves(COMMANDS)


def help_of(command: str, capsys: pytest.CaptureFixture) -> str:
    with pytest.raises(SystemExit) as stop:
        main([*command.split(), "--help"])
    assert stop.value.code == 0
    return capsys.readouterr().out


def test_all_commands_are_listed_once(capsys: pytest.CaptureFixture) -> None:
    main(["--help"])
    listed = re.findall(r"^  (\w+(?: \w+)*)  +(.*)$", capsys.readouterr().out, re.M)
    assert [name for name, _ in listed][-len(FUNCTIONS) :] == [*FUNCTIONS]
    assert dict(listed).items() >= LISTED.items()


@pytest.mark.parametrize("command", FUNCTIONS)
def test_the_first_line_of_a_docstring_is_a_sentence_that_fits_the_list(command: str) -> None:
    function = function_of(*FUNCTIONS[command])
    line = function.__doc__.partition("\n")[0]
    assert LISTED[command] == line
    assert re.fullmatch(r"[A-Z][a-z]+s .*[^.]\.", line)
    assert len(line) <= 85
    # A sentence ends where its line ends.
    assert function.__doc__[len(line) :].startswith("\n\n")


@pytest.mark.parametrize("command", FUNCTIONS)
def test_every_command_that_is_listed_has_a_help(
    command: str, capsys: pytest.CaptureFixture
) -> None:
    words = help_of(command, capsys).split()
    assert words[:2] == ["usage:", "energy-gans"]
    assert set(command.split()) <= set(words)
    assert " ".join(LISTED[command].split()) in " ".join(words)


@pytest.mark.parametrize("command", FUNCTIONS)
def test_a_help_without_imports_is_the_help_of_the_function(
    command: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = " ".join(help_of(command, capsys).split())
    monkeypatch.setattr(
        "energy_gans.cli.workbench.outline",
        lambda n, m, out, arguments, classes: for_command_line(function_of(n, m), out),
    )
    slow = " ".join(help_of(command, capsys).split())
    assert (quick == slow) == (command not in NAME_CLASSES)
    # The lists of classes differ: without imports, those that the package exports are listed.
    short = re.sub(r" Known classes: [^.]*\.", "", quick)
    assert short == re.sub(r", known subclasses: [^)]*\)", ")", slow)


def test_the_help_of_a_command_lists_classes(capsys: pytest.CaptureFixture) -> None:
    shown = " ".join(help_of("evaluate", capsys).split())
    found = re.findall(r"Known classes: ([^.]*)\.", shown)
    data, features = ({*names.split(", ")} for names in found)
    assert {"MNIST", "CelebA", "Ring"} < data
    assert {"Inception", "EfficientNetLite0"} < features
    assert all(hasattr(energy_gans.data, name) for name in data)
    known = energy_gans.metrics.features
    assert all(issubclass(getattr(known, name), known.FeatureExtractor) for name in features)


def test_flags_beside_help_are_read(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(LookupError, match="does not say what 'FeatureExtractor' is"):
        outline(*FUNCTIONS["inpaint"], classes=False)
    assert "--data.digits" in help_of("features train --data.help EmbeddedDigits", capsys)
    assert "known subclasses" in " ".join(
        help_of("evaluate --data EmbeddedDigits", capsys).split()
    )


@pytest.mark.parametrize("command", FUNCTIONS)
def test_the_command_line_has_names_for_outputs_and_no_live_objects(command: str) -> None:
    function = function_of(*FUNCTIONS[command])
    ours = inspect.signature(function).parameters
    typed = inspect.signature(for_command_line(function, OUTPUTS.get(command))).parameters
    # From Python, a command writes only what it is told to write, or what it is about.
    assert ("out" in ours and ours["out"].annotation == "Output") == (command in OUTPUTS)
    if command in OUTPUTS:
        assert ours["out"].default is None
        assert typed["out"].default == OUTPUTS[command]
        assert typed["out"].annotation is str
    for name, parameter in typed.items():
        assert not re.search(LIVE, str(parameter.annotation))
        assert name == "out" or parameter.default == ours[name].default
    assert {*ours} - {*typed} == (
        {"data"} if ours.get("data") and "RunData" in str(ours["data"]) else set()
    )


@pytest.mark.parametrize("group", ["features", "configs", "data", "data prepare"])
def test_the_help_of_a_group_has_its_commands(group: str, capsys: pytest.CaptureFixture) -> None:
    shown = " ".join(help_of(group, capsys).split())
    inner = [name for name in FUNCTIONS if name.startswith(f"{group} ")]
    assert inner
    for name in inner:
        if name.count(" ") == group.count(" ") + 1:
            assert f"{name.split()[-1]} {LISTED[name]}" in shown


def test_helps_take_no_imports() -> None:
    commands = [*FUNCTIONS, "data", "features", "data prepare"]
    code = f"""
import sys
from energy_gans.cli import main
for command in {commands}:
    try:
        main([*command.split(), "--help"])
    except SystemExit as stop:
        assert stop.code == 0
print(sorted({{"torch", "lightning", "numpy"}} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_first_lines_are_read_from_the_source() -> None:
    assert first_line("sample", "sample") == function_of("sample", "sample").__doc__.split("\n")[0]
