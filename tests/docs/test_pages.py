r"""Tests that the code and the commands of the README and of the site's pages work.

Blocks of Python run, those of a page in one namespace and an empty folder. Command lines are
parsed with all their options, and not run. A block below the comment `<!-- not run: REASON -->` is
left out. A block whose first line is the comment `# FILE` is saved under that name before.
"""

import functools
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from energy_gans.cli import workbench
from energy_gans.cli.main import TRAINING, main
from energy_gans.commands import COMMANDS

ROOT = Path(__file__).parents[2]
WRITTEN = ("_build", "examples", "results", "reference/python")
PAGES = [
    ROOT / "README.md",
    *(
        page
        for page in sorted((ROOT / "docs").rglob("*.md"))
        if not page.relative_to(ROOT / "docs").as_posix().startswith(WRITTEN)
    ),
]
FENCE = re.compile(
    r"^(?P<skip><!-- not run: [^\n]* -->\n+)?(?P<ticks>```+)(?P<language>[^\n]*)\n"
    r"(?P<code>.*?)^(?P=ticks)$",
    re.MULTILINE | re.DOTALL,
)
NAMED = re.compile(r"# ([\w./-]+\.(?:py|yaml))\n")
COMMAND = re.compile(
    r"(?:^|\s)(?:energy-gans|-m energy_gans(?: --)?|configs/cluster/\w+\.sh) (.+)"
)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(text: str, language: str) -> list[str]:
    r"""Returns the blocks of a language that are meant to work."""
    found = [match for match in FENCE.finditer(text) if match["language"] == language]
    return [match["code"] for match in found if not match["skip"]]


def commands(text: str) -> list[str]:
    r"""Returns the arguments of all command lines of a page, a line each."""
    lines = "\n".join(blocks(text, "")).replace("\\\n", " ").splitlines()
    found = []
    for line in lines:
        if (match := COMMAND.search(line)) and not line.startswith("#"):
            words = shlex.split(re.split(r"[;|&>]", match[1])[0], comments=True)
            if "cluster/" in line[: match.start(1)]:
                words = ["fit", *words]
            if words and not {"..."} & {*words}:
                found.append(shlex.join(re.sub(r"^\$\w+$", "0", word) for word in words))
    return found


def save_files(page: Path, folder: Path) -> None:
    r"""Writes the blocks of a page that name their files."""
    text = page.read_text(encoding="utf-8")
    for code in [*blocks(text, "python"), *blocks(text, "yaml")]:
        if named := NAMED.match(code):
            path = folder / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(code, encoding="utf-8")


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    r"""Lets commands of the workbench end when their arguments have been read."""
    find = workbench._command_line_function

    def read_only(name: str, path: str, module: str) -> Callable:
        function = find(name, path, module)

        @functools.wraps(function)
        def nothing(*args: object, **kwargs: object) -> None:
            return None

        return nothing

    monkeypatch.setattr(workbench, "_command_line_function", read_only)


ALL = {line: page for page in PAGES for line in commands(page.read_text(encoding="utf-8"))}


@pytest.mark.parametrize(
    ("line", "page"),
    ALL.items(),
    ids=[f"{name_of(page)}: {line}" for line, page in ALL.items()],
)
@pytest.mark.usefixtures("parsed")
def test_command_lines_are_understood(
    line: str, page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    save_files(page, tmp_path)
    args = shlex.split(line)
    if args[0] in TRAINING:
        with pytest.raises(SystemExit) as ended:
            main([*args, "--print_config"])
        assert not ended.value.code
    else:
        try:
            main(args)
        except SystemExit as end:
            assert not end.code, line


@pytest.mark.usefixtures("parsed")
@pytest.mark.parametrize(
    "line", ["sample --ckpt_path runs --numbers 3", "sampel", "fit --config coulomb/rong"]
)
def test_a_wrong_command_line_is_found(line: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(line))
    assert ended.value.code


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if blocks(page.read_text(encoding="utf-8"), "python")],
    ids=name_of,
)
def test_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    save_files(page, tmp_path)
    names: dict[str, object] = {"__name__": "page"}
    for code in blocks(page.read_text(encoding="utf-8"), "python"):
        exec(compile(code, name_of(page), "exec"), names)


def test_every_command_has_its_help_on_the_page_of_commands() -> None:
    text = (ROOT / "docs/reference/commands.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```\{program-output\} energy-gans (.+) --help$", text, re.MULTILINE)
    names = [name for name, _ in workbench.help_lines(COMMANDS)]
    assert sorted(shown) == sorted(["fit", *names])


def test_links_of_the_readme_lead_to_pages_of_the_site() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    site = "https://energy-gans.readthedocs.io/en/latest/"
    for page in re.findall(re.escape(site) + r"([^)#\s]*)", text):
        source = ROOT / "docs" / page.replace(".html", ".md")
        written = page == "" or page.startswith(WRITTEN)
        results = ROOT / page.replace(".html", ".md")
        assert written or source.is_file() or results.is_file(), page


def test_blocks_that_are_not_run_are_left_out() -> None:
    text = "```python\na = 1\n```\n<!-- not run: slow -->\n```python\nb = 2\n```\n```\nls\n```\n"
    assert blocks(text, "python") == ["a = 1\n"]
    line = "```\nFOO=1 energy-gans fit --config a \\\n  --seed $s   # text\nls\n```\n"
    assert commands(line) == ["fit --config a --seed 0"]
