r"""Writes the page on which trained models run in a browser: `make web`.

The page is a static folder: the files of `docs/web/`, onnxruntime-web, and the models of the zoo
as ONNX. A server of files is all that it needs, such as `python -m http.server`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from build_models import write_json, write_model

import energy_gans
from energy_gans.commands.zoo import ZooModel
from energy_gans.files import atomic_folder
from energy_gans.terminal import ignore_noise, printing, say

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OUT, PACKAGES = ROOT / "docs/_build/html/web", ROOT / "build/web"
# The file that lists the models of a page.
MANIFEST = "models.json"
# What the page uses of onnxruntime-web: one script, and the code for CPUs.
RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
_LOCKED = ("package.json", "package-lock.json")
_SOURCES = ("*.html", "*.css", "*.js")


def build(out: Path, names: Sequence[str], runtime: Path) -> list[str]:
    r"""Writes the page, whole or not at all, and returns sentences on what is left out.

    Arguments:
        out: The folder to write. If it exists, it should be such a page, which is replaced.
        names: The names of models; all models of the zoo if there are none.
        runtime: The folder of the npm package onnxruntime-web.

    Raises:
        FileExistsError: If `out` exists and is no such page.
        ValueError: If there is no model of a name, or the page can show none of the models.
    """
    _check_out(out)
    entries, cards, left_out = find_models(names), [], []
    with atomic_folder(out) as part:
        for pattern in _SOURCES:
            for path in HERE.glob(pattern):
                shutil.copyfile(path, part / path.name)
        copy_runtime(runtime, part / "ort")
        for entry in entries:
            say(f"{entry.name} ...")
            try:
                card, missing = write_model(entry, part / entry.name)
            except ValueError as error:
                shutil.rmtree(part / entry.name, ignore_errors=True)
                missing = [str(error)]
            else:
                cards.append(card)
            left_out += [f"{entry.name}: {sentence}" for sentence in missing]
        if not cards:
            raise ValueError(f"The page can show none of the models: {' '.join(left_out)}")
        size = sum(path.stat().st_size for path in (part / "ort").iterdir())
        about = {"version": _version(runtime), "megabytes": round(size / 1e6)}
        write_json({"runtime": about, "models": cards}, part / MANIFEST)
    return left_out


def _check_out(out: Path) -> None:
    r"""Raises a `FileExistsError` if a folder is in the way that is no page of models."""
    if out.exists() and not (out / "index.html").is_file():
        raise FileExistsError(f"'out' = {str(out)!r} exists, and is no page that can be replaced.")


def find_models(names: Sequence[str]) -> list[ZooModel]:
    r"""Returns models of the zoo by their names, or all of them.

    Raises:
        ValueError: If there is no model of a name, or no model at all.
    """
    known = {one.name: one for one in energy_gans.models().models}
    if unknown := [name for name in names if name not in known] or not known:
        raise ValueError(f"'models' should be names out of {[*known]}, got {unknown or 'none'}.")
    return [known[name] for name in names or known]


def copy_runtime(runtime: Path, folder: Path) -> None:
    r"""Copies what the page uses of onnxruntime-web.

    Raises:
        FileNotFoundError: If a file is missing.
    """
    folder.mkdir()
    for name in RUNTIME:
        shutil.copyfile(runtime / "dist" / name, folder / name)


def install_runtime(folder: Path) -> Path:
    r"""Installs the locked version of onnxruntime-web, unless it is there, and returns its folder.

    Arguments:
        folder: The folder of the npm packages.

    Raises:
        FileNotFoundError: If npm is missing.
        ValueError: If npm fails.
    """
    package = folder / "node_modules/onnxruntime-web"
    locked = json.loads((HERE / _LOCKED[0]).read_text())["dependencies"]["onnxruntime-web"]
    if (package / "package.json").is_file() and _version(package) == locked:
        return package
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("The page needs npm, which comes with Node.js, to get a package.")
    say(f"onnxruntime-web {locked} ...")
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    with atomic_folder(folder) as part:
        for name in _LOCKED:
            shutil.copyfile(HERE / name, part / name)
        done = subprocess.run(command, cwd=part, capture_output=True, text=True)
        if done.returncode:
            said = done.stderr.strip()[-300:]
            raise ValueError(f"npm could not install onnxruntime-web: {said}")
    return package


def _version(package: Path) -> str:
    r"""Returns the version of an npm package."""
    return json.loads((package / "package.json").read_text())["version"]


def main() -> None:
    r"""Writes the page as the command line asks for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", help="names of models; all of the zoo if none")
    parser.add_argument("--out", type=Path, default=OUT, help="the folder to write")
    args = parser.parse_args()
    ignore_noise()
    with printing():
        try:
            left_out = build(args.out.resolve(), args.models, install_runtime(PACKAGES))
        except (ModuleNotFoundError, OSError, ValueError) as error:
            sys.exit(f"error: {error}")
        for sentence in left_out:
            say(sentence)
        say(f"{args.out}: python -m http.server --directory {args.out}, then open localhost:8000")


if __name__ == "__main__":
    main()
