r"""Tests for the energy_gans.data.prepared.held_out module."""

from collections import Counter

import numpy as np
import pytest

from energy_gans.data.prepared.held_out import (
    ContentHashes,
    _class_quotas,
    content_hash,
    draw_held_out,
)


def hashes(n: int, copies: int = 1, seed: int = 0) -> np.ndarray:
    r"""Returns `n` hashes in random order, each of which occurs `copies` times."""
    random = np.random.default_rng(seed)
    return random.permutation(np.repeat(random.integers(0, 2**64, n // copies, np.uint64), copies))


def test_hashes_are_the_same_on_every_machine() -> None:
    # As `printf 'energy-gans held-out imagesa picture' | sha256sum` begins.
    assert content_hash(b"") == 0x6E532877F9886AAF
    assert content_hash(b"a picture") == 0xF68960C0D5D094E6


def test_pixels_are_hashed_in_their_order() -> None:
    image = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    assert content_hash(image) == content_hash(image.tobytes())
    assert content_hash(image[::2]) == content_hash(image[::2].copy()) != content_hash(image)
    turned = np.asfortranarray(image)
    assert content_hash(turned) == content_hash(image)


# Quotas of classes


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("hold_out", [2, 3, 7, 20])
def test_each_class_gives_its_share(seed: int, hold_out: int) -> None:
    random = np.random.default_rng(seed)
    counts = Counter({i: int(n) for i, n in enumerate(random.integers(1, 60, 30))})
    given = _class_quotas(counts, hold_out)
    assert sum(given.values()) == counts.total() // hold_out
    for label, n in counts.items():
        assert n // hold_out <= given[label] <= -(-n // hold_out)
        assert given[label] >= (n >= hold_out)
        assert given[label] < n


def test_small_classes_give_by_lot() -> None:
    given = _class_quotas(Counter(dict.fromkeys(range(100), 10)), 20)
    assert sorted(given.values()) == [0] * 50 + [1] * 50
    # Holding out every twentieth image of a sorted set would take only every second class.
    odd = [given[label] for label in range(1, 100, 2)]
    assert 10 < sum(odd) < 40


def test_a_class_of_one_image_keeps_it() -> None:
    assert _class_quotas(Counter({0: 20, **dict.fromkeys(range(1, 21), 1)}), 20)[0] == 2


# Choice within a class


@pytest.mark.parametrize("n", [40, 45, 400])
def test_of_single_images_those_with_the_least_hashes_are_held_out(n: int) -> None:
    drawn = hashes(n)
    held = draw_held_out(np.zeros(n, np.int64), drawn, 20)
    assert set(drawn[held]) == set(np.sort(drawn)[: n // 20])


@pytest.mark.parametrize("copies", [1, 2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_images_makes_no_difference(copies: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    drawn, labels = hashes(240, copies, seed), random.integers(0, 9, 240)
    order = random.permutation(240)
    held = draw_held_out(labels, drawn, 8)
    assert np.array_equal(draw_held_out(labels[order], drawn[order], 8), held[order])
    assert held.any()


@pytest.mark.parametrize("within", [True, False], ids=["within classes", "across classes"])
@pytest.mark.parametrize("seed", range(10))
def test_copies_are_in_one_split_and_classes_in_both(within: bool, seed: int) -> None:
    random = np.random.default_rng(seed)
    drawn = np.repeat(random.integers(0, 2**64, 150, np.uint64), random.integers(1, 5, 150))
    labels = random.integers(0, 6, len(drawn))
    if within:
        labels = (drawn % np.uint64(6)).astype(np.int64)
    held = draw_held_out(labels, drawn, 10)
    assert not set(drawn[held]) & set(drawn[~held])
    for label in range(6):
        n, of = (labels == label).sum(), held[labels == label].sum()
        assert n >= 10 and 1 <= of < n
        assert of <= n // 10 + 4


def test_copies_that_are_more_than_a_class_gives_are_held_out_for_want_of_others() -> None:
    # Twenty images are pairs of copies, and the quota is one image.
    held = draw_held_out(np.zeros(20, np.int64), hashes(20, 2), 20)
    assert held.sum() == 2
    # The other class has single images.
    labels = np.repeat([0, 1], 20)
    drawn = np.concatenate([hashes(20, 2), hashes(20, 1, seed=1)])
    held = draw_held_out(labels, drawn, 20)
    assert (held[:20].sum(), held[20:].sum()) == (2, 1)


def test_a_class_of_copies_alone_is_for_training() -> None:
    labels, drawn = np.repeat([0, 1], 20), np.concatenate([hashes(20, 20), hashes(20, 1, seed=1)])
    held = draw_held_out(labels, drawn, 10)
    assert (held[:20].sum(), held[20:].sum()) == (0, 2)
    assert not draw_held_out(np.zeros(40, np.int64), hashes(40, 40), 10).any()


# Copies


def test_copies_are_counted_and_named() -> None:
    contents = ContentHashes()
    contents.append("train", np.array([0, 1]), [5, 2**64 - 1], ["a", "b"])
    contents.append("val", np.array([0, 0, 1]), [7, 5, 7], ["c", "d", "e"])
    contents.append("train", np.array([1, 1]), [5, 6], ["f", "g"])
    contents.append("test", np.array([0]), [2**64 - 1], ["h"])
    assert contents.copies() == (1, ["d", "h"])
    labels, found = contents.training()
    assert labels.tolist() == [0, 1, 1, 1]
    assert found.tolist() == [5, 2**64 - 1, 5, 6]
