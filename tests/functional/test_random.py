r"""Tests for the energy_gans.functional.random module."""

from itertools import pairwise

import pytest
import torch

from energy_gans.functional import fold, keyed_generator, keyed_subset


@pytest.mark.parametrize(
    "seed, key, output",
    [
        (0, 0, 0xE220A8397B1DCDAF),
        (0, 1, 0x6E789E6AA1B965F4),
        (0, 2, 0x06C45D188009454F),
        (1234567, 0, 6457827717110365317),
        (1234567, 1, 3203168211198807973),
        (1234567, 2, 9817491932198370423),
    ],
)
def test_fold_gives_the_published_outputs_of_splitmix64(seed: int, key: int, output: int) -> None:
    assert fold(seed, key) == output >> 1


@pytest.mark.parametrize(
    "seed, keys, value",
    [
        (0, ("noise", 0), 5319622866931492425),
        (42, ("order", 7, 1), 1238615526922613139),
        (2**63, ("train",), 4724481293429453752),
    ],
)
def test_fold_stays_what_it_was(seed: int, keys: tuple[int | str, ...], value: int) -> None:
    assert fold(seed, *keys) == value


@pytest.mark.parametrize("seed", [0, 42])
def test_no_keys_are_the_key_zero(seed: int) -> None:
    assert fold(seed) == fold(seed, 0)


def test_different_keys_give_different_seeds() -> None:
    names = ["noise", "networks", "order", "train", "val"]
    folds = {fold(seed, name, step) for seed in range(10) for name in names for step in range(200)}
    assert len(folds) == 10 * len(names) * 200


@pytest.mark.parametrize("keys", [(), (0,), ("noise",), ("noise", 0)])
def test_different_seeds_give_different_seeds(keys: tuple[int | str, ...]) -> None:
    assert len({fold(seed, *keys) for seed in range(100)}) == 100


@pytest.mark.parametrize(
    "one, other",
    [((1, 2), (2, 1)), ((1,), (1, 0)), (("a", "b"), ("ab",)), (("1",), (1,)), ((-1,), (1,))],
)
def test_order_number_and_kind_of_keys_matter(
    one: tuple[int | str, ...], other: tuple[int | str, ...]
) -> None:
    assert fold(0, *one) != fold(0, *other)


@pytest.mark.parametrize("seed", [0, -1, 2**64 - 1, 2**70])
def test_fold_is_a_seed_that_torch_takes(seed: int) -> None:
    assert 0 <= fold(seed, "noise", 3) < 2**63
    torch.Generator().manual_seed(fold(seed, "noise", 3))


def bits(value: int) -> torch.Tensor:
    return torch.tensor([value >> i & 1 for i in range(63)], dtype=torch.float64)


def test_every_bit_of_successive_steps_is_set_half_of_the_time() -> None:
    n = 4096
    mean = torch.stack([bits(fold(0, "noise", step)) for step in range(n)]).mean(0)
    assert (mean - 0.5).abs().max() < 5 * 0.5 / n**0.5


def test_neighbouring_steps_differ_in_half_of_the_bits() -> None:
    n = 1024
    folds = [fold(0, "noise", step) for step in range(n + 1)]
    flips = torch.stack([bits(one ^ other) for one, other in pairwise(folds)]).mean(0)
    assert (flips - 0.5).abs().max() < 5 * 0.5 / n**0.5


@pytest.mark.parametrize("bit", [0, 1, 31, 32, 62, 63])
def test_one_bit_of_the_seed_flips_half_of_the_bits(bit: int) -> None:
    n = 1024
    pairs = [(fold(seed, "noise"), fold(seed ^ 1 << bit, "noise")) for seed in range(n)]
    flips = torch.stack([bits(one ^ other) for one, other in pairs]).mean(0)
    assert (flips - 0.5).abs().max() < 5 * 0.5 / n**0.5


@pytest.mark.parametrize("key", [1.5, None])
def test_keys_that_are_no_words_are_refused(key: float | None) -> None:
    with pytest.raises(TypeError):
        fold(0, key)


def draw(*keys: int | str) -> torch.Tensor:
    return torch.randn(100, generator=keyed_generator(*keys))


def test_a_key_gives_one_stream() -> None:
    assert torch.equal(draw(0, "noise", 5), draw(0, "noise", 5))


@pytest.mark.parametrize("keys", [(0, "noise", 6), (1, "noise", 5), (0, "order", 5), (0, "noise")])
def test_another_key_gives_another_stream(keys: tuple[int | str, ...]) -> None:
    assert not torch.isclose(draw(0, "noise", 5), draw(*keys)).any()


def test_a_generator_of_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(RuntimeError):
        keyed_generator(0, "noise", 5, device="meta")


def test_streams_of_successive_steps_are_not_correlated() -> None:
    n = 200
    noise = torch.stack([draw(0, "noise", step) for step in range(n)]).double()
    correlation = torch.corrcoef(noise) - torch.eye(n)
    assert correlation.abs().max() < 0.6
    assert noise.mean().abs() < 5 / (100 * n) ** 0.5


def test_streams_neither_read_nor_move_the_global_one() -> None:
    torch.manual_seed(1)
    first, state = draw(0, "noise", 5), torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(draw(0, "noise", 5), first)
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_keyed_subset_is_the_beginning_of_the_keyed_permutation() -> None:
    # Published numbers depend on these bits: they select references, subsets and checked rows.
    order = torch.randperm(20, generator=keyed_generator(3, "reference", 1))
    assert torch.equal(keyed_subset(20, 20, 3, "reference", 1), order)
    assert torch.equal(keyed_subset(20, 7, 3, "reference", 1), order[:7])
    assert torch.equal(keyed_subset(20, 50, 3, "reference", 1), order)
    assert keyed_subset(10, 10, 0, "reference").tolist() == [1, 6, 2, 8, 5, 3, 4, 9, 0, 7]
