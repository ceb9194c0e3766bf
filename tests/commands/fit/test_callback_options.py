r"""Tests for the energy_gans.commands.fit.callback_options module: options of callbacks."""

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml

from energy_gans.cli import main
from energy_gans.commands.fit.callback_options import place_options

RING = ["fit", "--config", str(Path(__file__).parents[3] / "configs/coulomb/ring.yaml")]
FLAG = "--trainer.callbacks"


def printed(*options: str) -> list[tuple[str, dict[str, Any]]]:
    r"""Returns the callbacks of the ring's config with some options, as they would run."""
    text = io.StringIO()
    with redirect_stdout(text), pytest.raises(SystemExit) as stop:
        main([*RING, *options, "--print_config"])
    assert stop.value.code == 0, stop.value.code
    callbacks = yaml.safe_load(text.getvalue())["trainer"]["callbacks"]
    return [(c["class_path"].rpartition(".")[2], c.get("init_args", {})) for c in callbacks]


@pytest.fixture(scope="module")
def plain() -> list[tuple[str, dict[str, Any]]]:
    return printed()


def changed(
    callbacks: list[tuple[str, dict[str, Any]]], **changes: dict[str, Any]
) -> list[tuple[str, dict[str, Any]]]:
    r"""Returns callbacks with some of their options changed, by name."""
    assert changes.keys() <= {name for name, _ in callbacks}
    return [(name, options | changes.get(name, {})) for name, options in callbacks]


def test_an_option_is_of_the_callback_that_it_names(plain: list) -> None:
    options = [f"{FLAG}.SamplePictures.every_n_steps", "7", f"{FLAG}.EMA.init_args.decay=0.00001"]
    assert printed(*options) == changed(
        plain, SamplePictures={"every_n_steps": 7}, EMA={"decay": 1e-5}
    )


def test_an_option_that_one_callback_only_has_needs_no_name(plain: list) -> None:
    expected = changed(plain, Checkpoints={"monitor": "val/kl"}, EMA={"decay": 0.5})
    assert printed(f"{FLAG}.decay=0.5", f"{FLAG}.init_args.monitor", "val/kl") == expected


@pytest.mark.parametrize("name", ["", "SampleMeasures."])
def test_an_option_behind_a_callback_that_is_added_is_of_that(plain: list, name: str) -> None:
    found = printed(
        f"{FLAG}.SamplePictures.n=9",
        f"{FLAG}+=SampleMeasures",
        f"{FLAG}.{name}n=3",
        "--trainer.max_steps=4",
        f"{FLAG}.{name}extractor=DomainClassifier",
        f"{FLAG}.{name}extractor.path=c.pt",
    )
    assert found[:-1] == changed(plain, SamplePictures={"n": 9})
    assert found[-1][1]["n"] == 3
    assert found[-1][1]["extractor"]["init_args"] == {"path": "c.pt"}


def test_callbacks_of_one_class_are_numbered(plain: list) -> None:
    found = printed(f"{FLAG}+=EMA", f"{FLAG}.EMA_2.decay=0.2", f"{FLAG}.EMA_1.decay=0.1")
    assert found == [*changed(plain, EMA={"decay": 0.1}), ("EMA", {"decay": 0.2})]


def test_an_only_callback_needs_no_name() -> None:
    assert printed(f"{FLAG}={{class_path: EMA}}", f"{FLAG}.decay=0.3") == [("EMA", {"decay": 0.3})]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            [f"{FLAG}.every_n_steps=100"],
            "is an option of SamplePictures and Checkpoints: say which, as in "
            "--trainer.callbacks.SamplePictures.every_n_steps",
        ),
        (
            [f"{FLAG}=[EMA, Checkpoints, EMA]", f"{FLAG}.decay=0"],
            "is an option of EMA_1 and EMA_2",
        ),
        (
            [f"{FLAG}.SamplePicture.n=3"],
            "should name one of this run's callbacks, EMA, .* did you mean 'SamplePictures'?",
        ),
        ([f"{FLAG}+=EMA", f"{FLAG}.EMA_3.decay=0"], "should name one of .*, EMA_1, .*, EMA_2"),
        ([f"{FLAG}.every_n_step=3"], "is an option of none .* did you mean 'every_n_steps'?"),
        ([f"{FLAG}.EMA=3"], "should say which option: --trainer.callbacks.EMA.KEY VALUE"),
        ([f"{FLAG}=[]", f"{FLAG}.decay=0"], "is for runs with callbacks: .*CLASS adds one"),
        ([f"{FLAG}.EMA.deca=0"], r"\(.*EMA\): Option 'deca' is not accepted.*mean 'decay'"),
        ([f"{FLAG}.EMA.decay=x"], r"callbacks.decay \(.*EMA\): Expected a float. Got value: x"),
        ([f"{FLAG}.EMA.decay"], "expected one argument"),
    ],
)
def test_an_option_of_none_or_of_several_is_refused(options: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match=f"^energy-gans: error: .*{message}"):
        main([*RING, *options, "--print_config"])


def test_arguments_without_such_options_stay_as_they_are() -> None:
    def unread(args: list[str]) -> list[dict[str, Any]]:
        raise AssertionError("nothing has to be read")

    for more in ([], [f"{FLAG}+=EMA", f"{FLAG}.decay", "0.5"], [f"{FLAG}.help", "EMA"]):
        args = [*RING, "--trainer.max_steps", "3", *more, "--trainer.devices=1"]
        assert place_options(args, unread) == args


def test_a_training_uses_them(tiny: Callable, tmp_path: Path) -> None:
    main(
        tiny(
            "--trainer.max_steps=5",
            f"{FLAG}+=SamplePictures",
            f"{FLAG}.Checkpoints.every_n_steps=1000",
            f"{FLAG}.SamplePictures.every_n_steps=2",
            points=True,
        )
    )
    pictures = sorted(path.name for path in (tmp_path / "tiny/version_0/samples").iterdir())
    assert pictures == [f"step_{step:08d}.png" for step in (2, 4, 5)]
    config = yaml.safe_load((tmp_path / "tiny/version_0/config.yaml").read_text())
    names = [c["class_path"].rpartition(".")[2] for c in config["trainer"]["callbacks"]]
    assert names == ["EMA", "Checkpoints", "SamplePictures"]
