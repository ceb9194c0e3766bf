r"""The cost of measures, against the classes of torchmetrics with the same extractor.

::

    python -m benchmarks.measures

prints images per second, of both in turns, for the Fréchet distance, and for the Fréchet distance,
the Inception Score and the kernel distance together. This package computes them in one pass,
torchmetrics needs a pass for each. It then prints the growth of memory from the construction of
the extractor to the end, each in a process of its own, for 50,000 real and 50,000 generated images
with 2,048 cheap features.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import KernelInceptionDistance

from energy_gans.commands.outputs import markdown_heading, markdown_row
from energy_gans.metrics.features import EfficientNetLite0, FeatureExtractor, FeaturesOnly
from energy_gans.metrics.features.base import Output
from energy_gans.metrics.measures import measure
from energy_gans.metrics.statistics import feature_statistics

BATCH = 100
REPEATS = 3
TIMED, LARGE = 2000, 50_000


class Projection(FeatureExtractor):
    r"""A cheap extractor: random projections of the pixels."""

    name, resize, num_features, num_classes = "projection", "none", 2048, 1000
    # Features need not be independent of the batch here.
    at_once = BATCH

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        self.register_buffer("weight", torch.randn(3 * 16 * 16, 2048, generator=random) / 28)

    def extract(self, images: Tensor) -> Output:
        features = (images.flatten(1).float() / 255 @ self.weight).relu()
        return features, features[:, : self.num_classes]


class Logits(FeaturesOnly):
    r"""The logits of an extractor, as torchmetrics' Inception Score expects them."""

    def forward(self, images: Tensor) -> Tensor:
        return self.extractor(images)[1]


def images(n: int, size: int, seed: int) -> Iterator[Tensor]:
    r"""Yields batches of random images, uint8."""
    random = torch.Generator().manual_seed(seed)
    for _ in range(n // BATCH):
        yield torch.randint(256, (BATCH, 3, size, size), generator=random, dtype=torch.uint8)


def ours(extractor: FeatureExtractor, n: int, size: int, names: list[str]) -> None:
    keep = 10_000 if "kid" in names else 0
    y, x = (
        feature_statistics(
            extractor, zip(images(n, size, k), torch.arange(n).split(BATCH), strict=True), keep
        )
        for k in (0, 1)
    )
    measure(names, x, y, y)


def theirs(extractor: FeatureExtractor, n: int, size: int, names: list[str]) -> None:
    subset = min(1000, n)
    metrics = {
        "fd": lambda: FrechetInceptionDistance(FeaturesOnly(extractor)),
        "is": lambda: InceptionScore(Logits(extractor)),
        "kid": lambda: KernelInceptionDistance(FeaturesOnly(extractor), subset_size=subset),
    }
    for name in names:
        metric = metrics[name]()
        for k in (0, 1):
            for x in images(n, size, k):
                if name != "is":
                    metric.update(x, real=k == 0)
                elif k == 1:
                    metric.update(x)
        metric.compute()


def seconds_of(form: Callable, *args: object) -> float:
    start = time.perf_counter()
    form(*args)
    return time.perf_counter() - start


def growth(form: Callable, names: list[str], queue: multiprocessing.Queue) -> None:
    r"""Puts the growth of this process's largest resident memory, in MB, into a queue."""
    extractor = Projection()
    extractor(next(images(BATCH, 16, 0)))
    before = memory("VmRSS")
    # Resets the maximum.
    Path("/proc/self/clear_refs").write_text("5")
    form(extractor, LARGE, 16, names)
    queue.put(memory("VmHWM") - before)


def memory(name: str) -> float:
    r"""Returns an entry of Linux's status of this process, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0]) / 1024


def in_a_process(form: Callable, names: list[str]) -> float:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=growth, args=(form, names, queue))
    process.start()
    value = queue.get()
    process.join()
    return value


def main() -> None:
    extractor = EfficientNetLite0()
    heading = ["measures", "here, images/s", "torchmetrics, images/s", "ratio"]
    print(markdown_heading(heading), end="")
    for names in (["fd"], ["fd", "is", "kid"]):
        pairs = [
            [seconds_of(form, extractor, TIMED, 32, names) for form in (ours, theirs)]
            for _ in range(REPEATS)
        ]
        a, b = (2 * TIMED / min(times) for times in zip(*pairs, strict=True))
        ratio = statistics.median(there / here for here, there in pairs)
        cells = [", ".join(names), f"{a:.0f}", f"{b:.0f}", f"{ratio:.2f}"]
        print(markdown_row(cells), end="", flush=True)
    heading = [f"measures, {LARGE} images a side", "here, MB", "torchmetrics, MB"]
    print(f"\n{markdown_heading(heading)}", end="")
    for names in (["fd"], ["fd", "is", "kid"]):
        grown = [in_a_process(form, names) for form in (ours, theirs)]
        cells = [", ".join(names), *(f"{megabytes:.0f}" for megabytes in grown)]
        print(markdown_row(cells), end="", flush=True)


if __name__ == "__main__":
    main()
