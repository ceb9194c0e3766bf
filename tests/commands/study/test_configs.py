r"""Tests for the energy_gans.commands.study.configs module."""

from copy import deepcopy
from typing import Any

import pytest

from energy_gans.commands.study import configs
from energy_gans.commands.study.plan import read_study

from .conftest import BASE, Workshop, merged


def fair(**change: Any) -> None:
    r"""Compares the base config with a changed one."""
    configs.check_fair("ring", {"one": deepcopy(BASE), "two": merged(BASE, change)})


def test_a_minibatch_may_be_cut_from_batches_of_any_size() -> None:
    fair(
        model={"init_args": {"updates_per_step": 2, "discriminator_steps": 5}},
        data={"init_args": {"batch_size": 320}},
    )
    with pytest.raises(ValueError, match="minibatch .* is 32.0 and 6.4"):
        fair(model={"init_args": {"updates_per_step": 2, "discriminator_steps": 5}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": {"init_args": {"modes": 9}}}, "data.init_args.modes is 8 and 9"),
        ({"data": {"class_path": "a.Grid"}}, "data.class_path is 'energy_gans.data.Ring' and"),
        ({"trainer": {"precision": "bf16-mixed"}}, "precision is '32-true' and 'bf16-mixed'"),
        ({"trainer": {"accelerator": "gpu"}}, "accelerator is 'cpu' and 'gpu'"),
        (
            {"trainer": {"callbacks": BASE["trainer"]["callbacks"][1:]}},
            "MixtureCoverage.n is 100 and 'missing'",
        ),
        (
            {"trainer": {"callbacks": BASE["trainer"]["callbacks"][:1] * 2}},
            "MixtureCoverage_2.n is 'missing' and 100",
        ),
    ],
)
def test_what_differs_is_named_with_both_methods(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"'one' and 'two' .* setting 'ring': .*{message}"):
        fair(**change)


def test_methods_choose_their_average_and_their_pictures() -> None:
    more = [
        {"class_path": "energy_gans.callbacks.EMA", "init_args": {"decay": 0.5}},
        {"class_path": "energy_gans.callbacks.SamplePictures"},
    ]
    fair(trainer={"callbacks": [*more, *BASE["trainer"]["callbacks"]], "precision": "32-true"})


def test_without_checkpoints_there_is_nothing_to_sample() -> None:
    config = merged(BASE, {"trainer": {"callbacks": []}})
    with pytest.raises(ValueError, match="should have Checkpoints"):
        configs.check_fair("ring", {"one": config})


def test_a_budget_is_the_same_number_of_updates_for_all(workshop: Workshop) -> None:
    study = read_study(workshop.file)
    for updates in (1, 2, 5, 20):
        config = merged(BASE, {"model": {"init_args": {"updates_per_step": updates}}})
        assert configs.budget_of(study, config)["max_steps"] * updates == 20
    config = merged(BASE, {"model": {"init_args": {"updates_per_step": 3}}})
    with pytest.raises(ValueError, match="multiple of updates_per_step = 3, got 20"):
        configs.budget_of(study, config)


def test_a_budget_of_seconds_is_written_as_the_trainer_reads_it(workshop: Workshop) -> None:
    workshop.change(budget={"seconds": 90061})
    budget = configs.budget_of(read_study(workshop.file), BASE)
    assert budget == {"max_steps": -1, "max_time": "01:01:01:01"}


def test_a_config_is_resolved_again_only_if_its_files_change(workshop: Workshop) -> None:
    study = read_study(workshop.file)
    one = configs.resolved_config(study, "other", "one", workshop.out)
    assert configs.resolved_config(study, "other", "one", workshop.out) == one
    assert len(workshop.printed) == 1
    assert one["data"]["init_args"]["modes"] == 5
    assert "max_steps" not in one["trainer"]
    workshop.write("one.yaml", {"model": {"init_args": {"power": 7.0}}})
    again = configs.resolved_config(study, "other", "one", workshop.out)
    assert again["model"]["init_args"]["power"] == 7.0
    assert len(workshop.printed) == 2
