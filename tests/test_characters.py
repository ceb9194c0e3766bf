r"""Tests for the energy_gans.characters module."""

import pytest
import torch

from energy_gans.characters import (
    OWN,
    PAD,
    UNKNOWN,
    code_points,
    code_table,
    count_characters,
    frequent_characters,
    given_vocabulary,
    one_hot,
    read_lines,
    to_codes,
)

VOCABULARY = f"{OWN}ab c"


def codes_of(lines: list[str], length: int = 6) -> torch.Tensor:
    return torch.from_numpy(code_table(VOCABULARY)[code_points(lines, length)])


def test_lines_are_cut_padded_and_read_back() -> None:
    codes = codes_of(["abc", "a b c a b", "cabcab", "a`a😀"])
    assert codes.tolist()[0] == [2, 3, 5, 0, 0, 0]
    assert read_lines(codes, VOCABULARY) == ["abc", "a b c ", "cabcab", f"a{UNKNOWN}a{UNKNOWN}"]


def test_samples_are_read_at_their_most_probable_characters() -> None:
    codes = codes_of(["abc", "bca ab"])
    x = 0.7 * one_hot(codes, 8) + 0.3 * torch.rand(2, 8, 6).softmax(1)
    assert torch.equal(to_codes(x), codes.long())
    assert read_lines(x, VOCABULARY) == ["abc", "bca ab"]


def test_channels_without_a_character_are_unknown() -> None:
    assert read_lines(torch.tensor([[2, 7, 200, 2, 0, 0]]), VOCABULARY) == [
        "a" + 2 * UNKNOWN + "a"
    ]


def test_one_hot_columns_have_a_single_one() -> None:
    codes = codes_of(["abc", "  cc"])
    x = one_hot(codes, 9)
    assert x.shape == (2, 9, 6)
    assert torch.equal(x.sum(1), torch.ones(2, 6))
    assert torch.equal(x.gather(1, codes[:, None].long()), torch.ones(2, 1, 6))


def test_vocabularies_hold_the_most_frequent_characters() -> None:
    counts = count_characters(code_points(["aab", "ba c", PAD + "a"], 4))
    assert frequent_characters(counts, 4) == f"{OWN}ab"
    # Equally frequent ones are ordered by code point.
    assert frequent_characters(counts, 100) == f"{OWN}ab c"


@pytest.mark.parametrize(
    "characters, message",
    [
        ("", "1 to 3 characters.*got 0"),
        ("abcd", "1 to 3 characters.*got 4"),
        ("aba", "each character once.*got 'a'"),
        (f"a{PAD}", f"each character once.*got '{PAD}'"),
    ],
)
def test_other_characters_are_refused(characters: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"'characters' should .*{message}"):
        given_vocabulary(characters, 5)


@pytest.mark.parametrize("x", [torch.zeros(2, 3, 4, 5), torch.zeros(2, 3), torch.zeros(2, 0, 4)])
def test_other_tensors_are_no_text(x: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="Text should be floats with shape"):
        to_codes(x)
