r"""The cost of reading a prepared set, against torchvision with image files and two workers.

::

    python -m benchmarks.data

draws 50,000 smooth pictures of 64x64 pixels as JPEG files, or takes those in `--source FOLDER`,
and prepares them with `energy-gans data prepare folder`. It reads batches of 128 in random order,
both ways in turns: as uint8, and as floats in [-1, 1] with random flips.

New processes then measure the time from construction to the first batch, without imports, and (on
Linux) the resident memory: before the first epoch, at its maximum, and after the epoch, for a
fifth of the pictures and for all of them.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import datasets
from torchvision.transforms import v2

from energy_gans.cli import main
from energy_gans.commands.outputs import markdown_heading, markdown_row
from energy_gans.data import ImageFolder
from energy_gans.data.base import Batch

SIZE, BATCH = 64, 128


def draw(folder: Path, count: int) -> None:
    r"""Writes smooth pictures as JPEG files: `{train,val}/<class>/*.jpg`."""
    random = np.random.default_rng(0)
    for i in range(count + BATCH):
        colours = random.integers(0, 256, (6, 6, 3), np.uint8)
        image = Image.fromarray(colours).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        contents = io.BytesIO()
        image.save(contents, "JPEG", quality=90)
        path = folder / ("train" if i < count else "val") / str(i % 10) / f"{i:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents.getvalue())


def link_fifth(source: Path, folder: Path) -> None:
    r"""Links every fifth picture of a folder into another one."""
    for path in sorted(source.glob("*/*/*"))[::5]:
        link = folder / path.relative_to(source)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path.resolve())


def open_prepared(root: str, flip: bool = False) -> ImageFolder:
    data = ImageFolder(root, SIZE, batch_size=BATCH, flip=flip)
    data.trainer = SimpleNamespace(global_rank=0, world_size=1, global_step=0, training=True)
    return data


def ours(root: str, floats: bool) -> Iterable[Batch]:
    r"""Yields the batches of an epoch of a prepared set."""
    data = open_prepared(root, flip=floats)
    for step, batch in enumerate(data.train_dataloader()):
        data.trainer.global_step = step
        yield data.on_after_batch_transfer(batch, 0) if floats else batch


def theirs(root: str, floats: bool) -> Iterable[Batch]:
    r"""Yields the batches of an epoch of torchvision's folder, read by two workers."""
    steps = [v2.Resize(SIZE), v2.CenterCrop(SIZE)]
    if floats:
        ending = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5], [0.5])]
        steps += [v2.RandomHorizontalFlip(), *ending]
    else:
        steps.append(v2.PILToTensor())
    data = datasets.ImageFolder(str(Path(root) / "train"), v2.Compose(steps))
    return DataLoader(data, batch_size=BATCH, num_workers=2, shuffle=True)


WAYS = {"ours": ours, "theirs": theirs}


def rate(batches: Iterable[Batch], count: int) -> float:
    r"""Returns the number of images per second after the first batches."""
    iterator = iter(batches)
    for _ in islice(iterator, 4):
        pass
    start = time.perf_counter()
    images = sum(len(y) for y, _ in islice(iterator, count))
    return images / (time.perf_counter() - start)


def compare(roots: dict[str, str], repeats: int) -> None:
    r"""Prints the largest rates of both ways, measured in turns, and their ratio."""
    heading = ["batches of 128", "ours, images/s", "theirs, images/s", "ratio"]
    print(f"\n{markdown_heading(heading)}", end="")
    for floats in (False, True):
        rates: dict[str, list[float]] = {"ours": [], "theirs": []}
        for _ in range(repeats):
            rates["ours"].append(rate(ours(roots["ours"], floats), 300))
            rates["theirs"].append(rate(theirs(roots["theirs"], floats), 60))
        a, b = (max(rates[way]) for way in WAYS)
        name = "floats in [-1, 1], flipped" if floats else "uint8"
        cells = [name, f"{a:.0f}", f"{b:.0f}", f"{a / b:.1f}"]
        print(markdown_row(cells), end="", flush=True)


def resident() -> float:
    r"""Returns the resident memory of this process, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1e3


def start(way: str, root: str) -> None:
    r"""Prints this process's time to the first batch, and its memory around an epoch."""
    before = time.perf_counter()
    iterator = iter(WAYS[way](root, floats=False))
    next(iterator)
    seconds, memory = time.perf_counter() - before, [resident()]
    if way == "ours":
        memory += [resident() for _ in iterator]
    found = {"seconds": seconds, "memory": [memory[0], max(memory), memory[-1]]}
    print(json.dumps(found))


def start_in_process(way: str, root: str) -> dict:
    r"""Returns the output of :func:`start` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.data", "--start", way, "--source", root]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(shown.stdout.splitlines()[-1])


def report(sets: dict[str, dict[str, str]], repeats: int) -> None:
    r"""Prints the start-up times of both ways, and the memory of an epoch."""
    heading = ["training images", "ours, s to a batch", "theirs, s"]
    heading += ["resident MB, first batch", "largest", "end"]
    print(f"\n{markdown_heading(heading)}", end="")
    for roots in sets.values():
        runs = {way: [start_in_process(way, roots[way]) for _ in range(repeats)] for way in WAYS}
        a, b = (min(run["seconds"] for run in runs[way]) for way in WAYS)
        memory = [f"{value:.0f}" for value in runs["ours"][0]["memory"]]
        count = open_prepared(roots["ours"]).length("train")
        print(markdown_row([count, f"{a:.3f}", f"{b:.3f}", *memory]), end="", flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", help="a folder of {train,val}/<class>/*.jpg")
    parser.add_argument("--count", type=int, default=50_000, help="how many pictures are drawn")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--start", choices=WAYS, help=argparse.SUPPRESS)
    return parser.parse_args()


def run(args: argparse.Namespace, folder: Path) -> None:
    source = Path(args.source) if args.source else folder / "drawn"
    if not args.source:
        draw(source, args.count)
    link_fifth(source, folder / "fifth")
    sets = {}
    for name, files in (("fifth", folder / "fifth"), ("all", source)):
        out = str(folder / f"{name}_{SIZE}")
        before = time.perf_counter()
        main(["data", "prepare", "folder", f"--source={files}", f"--out={out}", f"--size={SIZE}"])
        print(f"prepared in {time.perf_counter() - before:.1f} s")
        sets[name] = {"ours": out, "theirs": str(files)}
    compare(sets["all"], args.repeats)
    report(sets, args.repeats)


if __name__ == "__main__":
    args = arguments()
    if args.start:
        start(args.start, args.source)
    else:
        print(f"{torch.get_num_threads()} threads, torch {torch.__version__}\n")
        with tempfile.TemporaryDirectory() as folder:
            run(args, Path(folder))
