r"""Tests for the energy_gans.methods.bases.batch_reading module: loaders in a plain trainer."""

import os
import re
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import (
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    TensorDataset,
)

from energy_gans.callbacks import MixtureCoverage, ResponseCurve, SampleMeasures, SamplePictures
from energy_gans.data import FromDataset, FromLoader
from energy_gans.methods import (
    GCN,
    GGCN,
    VAPO,
    Chains,
    CoulombGAN,
    EIEGGenerator,
    FieldGenerator,
    Flow,
    GenerativeModule,
    ScatteringGAN,
)
from energy_gans.metrics.features import Pixels
from energy_gans.networks import MLP, FourierMLP

from ...processes import free_port, start

SHAPE = (1, 8, 8)


def network(out: int, inputs: int, *shape: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, out), nn.Unflatten(1, shape or (out,)))


def image_gan(shape: tuple[int, ...] = SHAPE, **options: Any) -> CoulombGAN:
    r"""Returns a Coulomb GAN of images, with the same initial weights every time."""
    seed_everything(3, verbose=False)
    size = int(np.prod(shape))
    networks = {"generator": network(size, 4, *shape), "discriminator": network(1, size)}
    return CoulombGAN(**(networks | {"latent_dim": 4} | options))


def point_gan(**options: Any) -> CoulombGAN:
    seed_everything(3, verbose=False)
    networks = {"generator": MLP(2, 2, [8]), "discriminator": MLP(2, 1, [8], nn.SiLU)}
    return CoulombGAN(**(networks | {"latent_dim": 2} | options))


def descriptor(**options: Any) -> dict[str, Any]:
    seed_everything(3, verbose=False)
    chains = Chains(steps=2, step_size=0.2, reference_std=1.0)
    return {"descriptor": MLP(2, 1, [8], nn.SiLU), "shape": [2], "chains": chains} | options


def pixels(n: int = 48) -> Tensor:
    random = torch.Generator().manual_seed(1)
    return torch.randint(256, (n, *SHAPE), generator=random).to(torch.uint8)


def points(n: int = 48) -> Tensor:
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(1))


def trainer(steps: int, **options: Any) -> Trainer:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False}
    defaults = {"logger": False, "enable_checkpointing": False, "log_every_n_steps": 1}
    return Trainer(max_steps=steps, accelerator="cpu", **(defaults | quiet | options))


def fit(model: GenerativeModule, *loaders: Any, steps: int = 4, **options: Any) -> list[Tensor]:
    r"""Trains a model in a plain trainer. Returns its weights."""
    trainer(steps, **options).fit(model, *loaders)
    return list(model.parameters())


def assert_same(a: list[Tensor], b: list[Tensor]) -> None:
    assert all(torch.equal(p, q) for p, q in zip(a, b, strict=True))


class Items(Dataset):
    r"""A data set of given items."""

    def __init__(self, items: list[Any]) -> None:
        self.given = items

    def __len__(self) -> int:
        return len(self.given)

    def __getitem__(self, i: int) -> Any:
        return self.given[i]


class Stream(IterableDataset):
    r"""Images without a length."""

    def __iter__(self) -> Any:
        return iter(pixels())


Y, LABEL = pixels(), torch.arange(48) % 3
FORMATS = {
    "pairs": TensorDataset(Y, LABEL),
    "tuples of one": TensorDataset(Y),
    "dictionaries": Items([{"img": y, "label": int(k)} for y, k in zip(Y, LABEL, strict=True)]),
    "with text": Items([{"image": y, "label": f"{k}"} for y, k in zip(Y, LABEL, strict=True)]),
    "with one-hot labels": TensorDataset(Y, torch.eye(3)[LABEL]),
    "without a length": Stream(),
    "floats": Y.float() / 127.5 - 1,
    "float64": Y.double() / 127.5 - 1,
}


@pytest.mark.parametrize("name", FORMATS)
def test_batches_of_any_format_train_as_the_data_module_of_their_values(name: str) -> None:
    class InOrder(FromDataset):
        def step_order(self, length: int) -> list[Tensor]:
            return list(torch.arange(length).split(16))

    expected = image_gan(updates_per_step=2)
    trainer(4, limit_val_batches=0).fit(expected, InOrder(Y, val=Y, batch_size=16))
    found = fit(image_gan(updates_per_step=2), DataLoader(FORMATS[name], 16))
    for p, q in zip(found, expected.parameters(), strict=True):
        torch.testing.assert_close(p, q)


def test_a_data_module_that_reads_a_loader_trains_as_the_loader() -> None:
    loader = DataLoader(Y / 255, 16)
    model = image_gan()
    trainer(4).fit(model, FromLoader(loader, val=loader, value_range=(0, 1)))
    expected = fit(image_gan(), DataLoader(Y / 255 * 2 - 1, 16))
    for p, q in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-6)


METHODS: dict[str, Callable[[], GenerativeModule]] = {
    "CoulombGAN": point_gan,
    "EIEGGenerator": lambda: EIEGGenerator(generator=MLP(2, 2, [8]), latent_dim=2),
    "FieldGenerator": lambda: FieldGenerator(generator=MLP(2, 2, [8]), latent_dim=2),
    "ScatteringGAN": lambda: ScatteringGAN(MLP(2, 2, [8]), MLP(2, 2, [8]), latent_dim=2),
    "GCN": lambda: GCN(**descriptor(start="data")),
    "GGCN": lambda: GGCN(
        **descriptor(generator=MLP(2, 2, [8]), latent_dim=2, learn_hidden_space=False)
    ),
    "VAPO": lambda: VAPO(
        descriptor=FourierMLP(2, hidden_features=[8], frequencies=2),
        shape=[2],
        flow=Flow(solver="euler", steps=2),
    ),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_last_held_out_batch_of_one_sample_is_left_out(name: str) -> None:
    model, held_out = METHODS[name](), points(9)
    measured = [
        trainer(0).validate(model, DataLoader(held_out[:n], 8), verbose=False)[0] for n in (8, 9)
    ]
    assert measured[0] == pytest.approx(measured[1])
    with pytest.raises(ValueError, match="at least 2 samples"):
        trainer(0).validate(model, DataLoader(held_out[:1], 8), verbose=False)


def test_networks_that_do_not_fit_are_named_by_a_validation_before_the_training() -> None:
    # Its samples can not even be drawn.
    model = CoulombGAN(MLP(3, 2, [8]), MLP(2, 1, [8]), latent_dim=2)
    loaders = DataLoader(points(16), 16), DataLoader(points(16), 8)
    for run in (
        lambda: trainer(1, num_sanity_val_steps=1).fit(model, *loaders),
        lambda: trainer(0).validate(model, loaders[1], verbose=False),
    ):
        with pytest.raises(ValueError, match="'model.init_args.generator' should map"):
            run()


def test_a_checkpoint_of_another_method_is_refused(tmp_path: Path) -> None:
    run, path = trainer(1), tmp_path / "gan.ckpt"
    run.fit(point_gan(), DataLoader(points(16), 16))
    run.save_checkpoint(path)
    with pytest.raises(ValueError, match="of a FieldGenerator, with 1 optimizers, got one with 2"):
        trainer(2).fit(METHODS["FieldGenerator"](), DataLoader(points(16), 16), ckpt_path=path)


@pytest.mark.parametrize("name", METHODS)
def test_methods_train_on_smaller_last_batches_and_validate(name: str) -> None:
    model = METHODS[name]()
    start = [p.clone() for p in model.parameters()]
    run = trainer(4, check_val_every_n_epoch=1)
    run.fit(model, DataLoader(points(40), 16), DataLoader(points(21), 8))
    assert run.global_step == 4
    assert not all(torch.equal(p, q) for p, q in zip(model.parameters(), start, strict=True))
    measured = [v for name, v in run.callback_metrics.items() if name.startswith("val/")]
    assert measured and all(value.isfinite() for value in measured)
    assert run.validate(model, DataLoader(points(), 8), verbose=False)
    assert [len(x) for x in run.predict(model, DataLoader(points(5), 4))] == [4, 1]


@pytest.mark.parametrize(
    "model",
    [
        lambda: GCN(**descriptor(buffer_size=64)),
        lambda: GGCN(**descriptor(buffer_size=64, generator=MLP(2, 2, [8]), latent_dim=2)),
        lambda: point_gan(updates_per_step=3),
        lambda: point_gan(accumulate=16),
    ],
)
def test_a_last_batch_that_can_not_be_used_is_said_before_the_first_step(
    model: Callable[[], GenerativeModule],
) -> None:
    size = 15 if model().updates_per_step == 3 else 16
    gan, sentence = model(), r"A batch of \d+ samples, .* left out by drop_last=True of the Data"
    with pytest.raises(ValueError, match=sentence) as error:
        fit(gan, DataLoader(points(size + 7), size))
    assert gan.global_step == 0
    assert not re.search(r"[.?!] |\n", str(error.value))
    fit(model(), DataLoader(points(size + 7), size, drop_last=True), steps=2)


def test_another_loader_is_checked_again() -> None:
    gan = image_gan()
    fit(gan, DataLoader(Y, 16), steps=1)
    fit(gan, DataLoader(Y, 8), steps=2)
    with pytest.raises(ValueError, match="got values from 0 to 255"):
        fit(gan, DataLoader(Y.float(), 16), steps=3)


def test_held_out_images_are_checked_too() -> None:
    with pytest.raises(ValueError, match="got values from 0 to 255"):
        fit(image_gan(), DataLoader(Y, 16), DataLoader(Y.float(), 16))


def test_labels_of_a_loader_are_those_of_a_conditional_model() -> None:
    gcn, loader = classes(LABEL)()
    fit(gcn, loader)
    assert gcn.sample(4, torch.tensor([0, 1, 2, 2])).isfinite().all()


def test_samples_that_processes_repeat_are_said() -> None:
    for n, repeated in ((47, True), (48, False)):
        sampler = DistributedSampler(points(n), num_replicas=2, rank=0)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            fit(point_gan(), DataLoader(points(n), 8, sampler=sampler))
        assert repeated == any("2 processes can not share 47" in str(w.message) for w in said)


def test_the_last_batch_is_not_checked_if_it_is_not_read() -> None:
    fit(point_gan(updates_per_step=3), DataLoader(points(22), 15), limit_train_batches=1)


def test_a_smaller_batch_of_a_stream_is_refused_when_it_comes() -> None:
    gan = image_gan(updates_per_step=3)
    with pytest.raises(ValueError, match="A batch of 13 samples, .* by drop_last=True of the Dat"):
        fit(gan, DataLoader([pixels(15), pixels(13)], batch_size=None))
    assert gan.global_step == 1


def with_nan() -> Tensor:
    y = points(48)
    y[3, 1] = float("nan")
    return y


def classes(label: Any) -> Callable[[], tuple[GenerativeModule, DataLoader]]:
    class Labelled(MLP):
        def forward(self, x: Tensor, label: Tensor) -> Tensor:
            return super().forward(x)

    def make() -> tuple[GenerativeModule, DataLoader]:
        options = descriptor(descriptor=Labelled(2, 1, [8], nn.SiLU), classes=3, buffer_size=64)
        data = points() if label is None else TensorDataset(points(), label)
        return GCN(**options), DataLoader(data, 16)

    return make


PICTURES = [Image.new("L", (8, 8)) for _ in range(48)]
SIZES = [torch.zeros(1, 8, 8 + i % 2, dtype=torch.uint8) for i in range(48)]
WRONG: dict[str, tuple[Callable[[], tuple[GenerativeModule, Any]], str]] = {
    "values of 255": (
        lambda: (image_gan(), DataLoader(Y.float(), 16)),
        r"floats in \[-1, 1\], got values from 0 to 255: give uint8, or say the range",
    ),
    "NaN": (lambda: (point_gan(), DataLoader(with_nan(), 16)), "NaN or .* in 1 of 16 samples"),
    "integers": (lambda: (image_gan(), DataLoader(Y.int(), 16)), "got torch.int32"),
    "channels last": (
        lambda: (image_gan(), DataLoader(Y.permute(0, 2, 3, 1), 16)),
        r"got \(16, 8, 8, 1\): permute\(0, 3, 1, 2\) puts",
    ),
    "no channels": (lambda: (image_gan(), DataLoader(Y[:, 0], 16)), r"unsqueeze\(1\) gives grey"),
    "a tensor": (lambda: (image_gan(), Y), r"shape \(1, 8, 8\): .* a DataLoader makes batches"),
    "a data set": (
        lambda: (image_gan(), TensorDataset(Y)),
        "should come in batches, got TensorDataset, a data set: pass DataLoader",
    ),
    "pictures": (
        lambda: (image_gan(), DataLoader(Items([(y, 0) for y in PICTURES]), 16)),
        r"can not stack items of PIL.Image.Image: .*PILToTensor\(\), or .*FromDataset\(dataset\)",
    ),
    "pictures, not stacked": (
        lambda: (image_gan(), DataLoader(Items(PICTURES), 16, collate_fn=lambda b: {"img": b})),
        r"of a batch should be a tensor, got list: .*FromDataset\(dataset\)",
    ),
    "missing labels": (
        lambda: (image_gan(), DataLoader(Items([(y, None) for y in Y]), 16)),
        "can not stack items of NoneType",
    ),
    "two sizes": (
        lambda: (image_gan(), DataLoader(Items(SIZES), 16)),
        r"can not stack samples of different shapes: .*FromDataset\(dataset, size=32\)",
    ),
    "unknown keys": (
        lambda: (image_gan(), DataLoader(Items([{"a": y, "b": 0} for y in Y]), 16)),
        "Data with the keys 'a', 'b' should have one of 'image', .* 'image_key' of",
    ),
    "three parts": (
        lambda: (image_gan(), DataLoader(TensorDataset(Y, LABEL, LABEL), 16)),
        r"Data should come as samples, .* got a list of 3",
    ),
    "another shape": (
        lambda: (image_gan((1, 4, 4)), DataLoader(Y, 16)),
        r"'model.init_args.generator' should map .* to the shape of 'data', \(2, 1, 8, 8\)",
    ),
    "another number of latents": (
        lambda: (image_gan(latent_dim=5), DataLoader(Y, 16)),
        r"generator' should map \(2, 5\) \(latent_dim = 5\) .*, but it fails: mat1 and mat2",
    ),
    "another shape of samples": (
        lambda: (GCN(**descriptor(shape=[3])), DataLoader(points(), 16)),
        r"'model.init_args.shape' should be that of 'data', \[2\], got \[3\]",
    ),
    "an odd batch": (
        lambda: (point_gan(updates_per_step=2), DataLoader(points(), 15)),
        "'data.init_args.batch_size' should be a multiple of updates_per_step .* = 2 .* got 15",
    ),
    "no labels": (classes(None), "'label' should hold 16 labels from 0 to 2, .* got none"),
    "labels of floats": (classes(LABEL.float()), "one a sample, got torch.float32 of shape"),
    "one-hot labels": (classes(torch.eye(3)[LABEL]), r"got torch.float32 of shape \(16, 3\)"),
    "labels from 1 on": (classes(LABEL + 1), "labels from 0 to 2, one a sample, got 1 to 3"),
    "labels of text": (
        lambda: (
            classes(None)()[0],
            DataLoader(Items([{"x": y, "label": "cat"} for y in points()]), 16),
        ),
        "labels from 0 to 2, one a sample, got list",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_a_user_gets_wrong_is_said_in_one_sentence(name: str) -> None:
    make, message = WRONG[name]
    model, loader = make()
    with pytest.raises((ValueError, TypeError, RuntimeError), match=message) as error:
        fit(model, loader)
    assert model.global_step == 0
    assert not re.search(r"[.?!] |\n", str(error.value))


def test_images_of_0_to_1_are_suspected_once() -> None:
    with pytest.warns(UserWarning, match=r"are in \[0, 1\], .*FromLoader\(loader, value_range"):
        fit(image_gan(), DataLoader(Y / 255, 16))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*are in")
        fit(image_gan(), DataLoader(Y, 16))


def test_a_batch_that_is_too_large_leaves_torch_as_it_is() -> None:
    init = DataLoader.__init__
    with pytest.raises(ValueError, match="'batch_size' should be at most .* got 99"):
        fit(image_gan(), FromDataset(Y, batch_size=99))
    assert DataLoader.__init__ is init


def test_a_failure_elsewhere_keeps_its_words() -> None:
    class Broken(Items):
        def __getitem__(self, i: int) -> Any:
            raise TypeError("found <class 'int'>")

    with pytest.raises(TypeError, match="^found <class 'int'>$"):
        fit(image_gan(), DataLoader(Broken(PICTURES), 16))


def test_callbacks_draw_or_say_what_they_need(tmp_path: Path) -> None:
    # After step 3, the second epoch begins, which shuffles anew.
    pictures = SamplePictures(every_n_steps=3, n=4)
    plain = {"default_root_dir": tmp_path, "callbacks": [pictures]}
    fit(image_gan(), DataLoader(Y, 16), **plain)
    drawn = fit(point_gan(), DataLoader(points(), 16, shuffle=True), **plain)
    assert {p.name for p in tmp_path.glob("samples/*")} == {
        "step_00000003.png",
        "step_00000004.png",
    }
    assert_same(drawn, fit(point_gan(), DataLoader(points(), 16, shuffle=True)))
    for callback, needed in (
        (SampleMeasures(n=100, extractor=Pixels(SHAPE)), "SampleMeasures needs a data module .*"),
        (ResponseCurve(), "ResponseCurve needs a data module with a shape"),
        (MixtureCoverage(), "MixtureCoverage needs data with known modes, .*"),
    ):
        with pytest.raises(ValueError, match=f"{needed}, got loaders"):
            fit(image_gan(), DataLoader(Y, 16), callbacks=[callback])


@pytest.mark.filterwarnings("ignore:SampleMeasures. 'fd' is of 100 samples")
def test_callbacks_measure_own_data_sets(tmp_path: Path) -> None:
    shape = (1, 16, 16)
    measures = SampleMeasures(n=100, extractor=Pixels(shape), cache=str(tmp_path))
    run = trainer(2, callbacks=[measures, ResponseCurve()])
    data = Items([(Image.new("L", shape[1:]), 0) for _ in range(40)])
    run.fit(image_gan(shape), FromDataset(data, batch_size=16))
    assert {"val/fd_100", "val/response", "val/energy"} <= set(run.callback_metrics)


def test_all_defaults_of_a_trainer_write_checkpoints_that_load(tmp_path: Path) -> None:
    model = image_gan()
    run = Trainer(max_epochs=2, accelerator="cpu", default_root_dir=tmp_path)
    run.fit(model, DataLoader(Y, 16, shuffle=True), DataLoader(Y, 16))
    (path,) = tmp_path.glob("lightning_logs/version_0/checkpoints/*.ckpt")
    networks = {"generator": network(64, 4, *SHAPE), "discriminator": network(1, 64)}
    loaded = CoulombGAN.load_from_checkpoint(path, **networks)
    assert_same(list(loaded.parameters()), list(model.parameters()))
    random = [torch.Generator().manual_seed(0) for _ in range(2)]
    assert torch.equal(loaded.sample(3, random=random[0]), model.sample(3, random=random[1]))
    more = trainer(8)
    more.fit(image_gan(), DataLoader(Y, 16), ckpt_path=path, weights_only=True)
    assert more.global_step == 8


def test_a_run_of_an_own_data_set_is_resumed_bit_for_bit(tmp_path: Path) -> None:
    def run(steps: int, path: Path | None = None) -> list[Tensor]:
        model = image_gan()
        one = trainer(steps)
        one.fit(model, FromDataset(Items(PICTURES + SIZED), batch_size=8), ckpt_path=path)
        one.save_checkpoint(tmp_path / "last.ckpt")
        return list(model.parameters())

    SIZED = [Image.fromarray(y[0].numpy()) for y in Y]
    whole = run(25)
    run(7)
    assert_same(run(25, tmp_path / "last.ckpt"), whole)


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
def test_precisions_train_on_any_batches(precision: str) -> None:
    for data in (Y, Y.float() / 127.5 - 1):
        model = image_gan()
        fit(model, DataLoader(data, 16), DataLoader(data, 16), precision=precision)
        assert all(p.isfinite().all() for p in model.parameters())


def train_as(rank: int, port: int, path: Path, kind: str) -> None:
    r"""Trains as one of two processes, and saves the weights, or what was refused."""
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    os.environ |= {"LOCAL_RANK": str(rank), "NODE_RANK": "0"}
    options = {"devices": 2, "strategy": "ddp", "use_distributed_sampler": kind != "unshared"}
    model, run = point_gan(), trainer(4, **options)
    if kind == "seeds":
        model.seed += rank
    try:
        if kind == "data set":
            run.fit(model, FromDataset(Items(list(points(40))), batch_size=16))
        else:
            run.fit(model, DataLoader(points(64), 8))
    except ValueError as error:
        torch.save(str(error), path)
    else:
        torch.save([p.detach() for p in model.parameters()], path)


def two_processes(folder: Path, kind: str) -> Any:
    r"""Returns what the first of two processes saves."""
    port, paths = free_port(), [folder / "0.pt", folder / "1.pt"]
    jobs = [start(train_as, i, port, paths[i], kind) for i in range(2)]
    for job in jobs:
        job.join(120)
    assert [job.exitcode for job in jobs] == [0, 0]
    return torch.load(paths[0])


def test_two_processes_with_a_plain_loader_are_one_with_twice_the_batch(tmp_path: Path) -> None:
    found = two_processes(tmp_path, "plain")
    # The trainer shuffles by a sampler of its own.
    order = list(DistributedSampler(points(64), 1, 0, seed=3))
    expected = fit(point_gan(), DataLoader(points(64)[order], 16))
    for p, q in zip(found, expected, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-7)


def test_two_processes_with_an_own_data_set_are_one(tmp_path: Path) -> None:
    model = point_gan()
    trainer(4).fit(model, FromDataset(points(40), batch_size=16))
    found = two_processes(tmp_path, "data set")
    for p, q in zip(found, model.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-7)


def told(seed: int, n: int) -> Tensor:
    r"""Returns what a process tells others of its seed and its batch."""
    gan, said = point_gan(), []
    gan.seed = seed
    gan.all_gather = lambda own: said.append(own) or own[None]
    gan.check_processes(n)
    return said[0]


@pytest.mark.parametrize(
    ("seeds", "sizes", "message"),
    [
        ((7, 7), (5, 5), None),
        ((2**64 - 1, 2**64 - 1), (5, 5), None),
        ((1, 3), (5, 5), "one seed: call lightning.seed_everything"),
        ((7, 7), (5, 6), r"one size, got \[5, 6\]: give the DataLoader drop_last=True"),
    ],
)
def test_seeds_and_sizes_that_differ_between_processes_are_told(
    seeds: tuple[int, int], sizes: tuple[int, int], message: str | None
) -> None:
    gan = point_gan()
    gan.all_gather = lambda own: torch.stack([told(*p) for p in zip(seeds, sizes, strict=True)])
    with pytest.raises(ValueError, match=message) if message else nullcontext():
        gan.check_processes(sizes[0])


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("unshared", "Each process should read its own samples, and two read the same"),
        ("seeds", "All processes should have one seed: call lightning.seed_everything"),
    ],
)
def test_processes_that_do_not_share_a_run_are_refused(
    tmp_path: Path, kind: str, message: str
) -> None:
    assert two_processes(tmp_path, kind).startswith(message)
