r"""Tests for the energy_gans.functional.filters module."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from energy_gans.functional.filters import (
    _gaussian_window,
    difference_of_gaussians,
    filter_bank,
    gabor,
    response_distance,
    responses,
)

BANKS = {
    "gabor": gabor(9, (2.5, 4.0, 7.0), 6),
    "even size": gabor(8, (3.0,), 5),
    "differences": difference_of_gaussians(9, (0.7, 1.5, 3.0)),
    "grey": filter_bank(1),
    "rgb": filter_bank(3),
    "small": filter_bank(3, 3),
}
every_bank = pytest.mark.parametrize("bank", BANKS)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@every_bank
def test_filters_have_zero_mean_and_unit_norm(bank: str) -> None:
    filters = BANKS[bank]
    zeros, ones = torch.zeros(len(filters)), torch.ones(len(filters))
    torch.testing.assert_close(filters.mean((1, 2, 3)), zeros, rtol=0, atol=1e-7)
    torch.testing.assert_close(filters.flatten(1).norm(dim=1), ones)


@pytest.mark.parametrize("bank, shape", [("grey", (18, 1, 13, 13)), ("rgb", (54, 3, 13, 13))])
def test_shape_of_the_bank(bank: str, shape: tuple[int, ...]) -> None:
    assert BANKS[bank].shape == shape


def test_the_bank_has_the_wavelengths_and_the_rings_that_it_states() -> None:
    bank = BANKS["grey"][:, 0]
    spectrum = torch.fft.fftn(bank[:16], (240, 240), (1, 2)).abs()
    peak, frequency = spectrum.flatten(1).argmax(1), torch.fft.fftfreq(240)
    wavelengths = 1 / torch.hypot(frequency[peak // 240], frequency[peak % 240])
    assert wavelengths.tolist() == pytest.approx([3.0] * 8 + [6.0] * 8, rel=0.03)
    # Differences of Gaussians change their sign at 1.76 standard deviations.
    assert (bank[16:, 6, 6:] > 0).sum(1).tolist() == [2, 4]


@pytest.mark.parametrize("bank", ["gabor", "even size", "differences", "grey", "rgb"])
def test_no_two_filters_are_equal_or_opposite(bank: str) -> None:
    filters = BANKS[bank].flatten(1)
    cosines = (filters @ filters.T).abs().fill_diagonal_(0)
    assert cosines.max() < 0.99


@pytest.mark.parametrize("wavelength", [4.0, 5.5, 8.0])
def test_the_middle_of_a_gabor_filter(wavelength: float) -> None:
    # On a wide grid, sums are integrals: c is the Fourier transform of the window at the frequency
    # of the wave, exp(-pi^2 / 2), and the square of the window times (cos - c) integrates to pi
    # s^2 times n.
    even, odd = gabor(61, [wavelength], 1)[:, 0]
    c = math.exp(-(math.pi**2) / 2)
    n = (1 + math.exp(-(math.pi**2))) / 2 - 2 * c * math.exp(-(math.pi**2) / 4) + c**2
    expected = (1 - c) / math.sqrt(math.pi * (wavelength / 2) ** 2 * n)
    assert even[30, 30].item() == pytest.approx(expected, rel=1e-4)
    assert odd[30, 30] == 0


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("orientations", [2, 4, 6])
def test_a_quarter_turn_is_a_transpose(size: int, orientations: int) -> None:
    filters = gabor(size, [4.0], orientations)[:, 0]
    torch.testing.assert_close(filters[orientations], filters[0].T)
    torch.testing.assert_close(filters[orientations + 1], filters[1].T)


def test_phases_are_even_and_odd() -> None:
    filters = BANKS["gabor"]
    turned = filters.flip(2, 3)
    torch.testing.assert_close(turned[0::2], filters[0::2])
    torch.testing.assert_close(turned[1::2], -filters[1::2])


@pytest.mark.parametrize("turn", range(6))
def test_a_wave_moves_the_filter_of_its_own_orientation_most(turn: int) -> None:
    angle, p = math.pi * turn / 6, torch.arange(32.0)
    u = math.cos(angle) * p[None, :] + math.sin(angle) * p[:, None]
    x = torch.cos(2 * math.pi / 5 * u)[None, None]
    f = responses(x, gabor(11, [5.0], 6))[0]
    assert f[0::2].argmax() == turn
    assert f[1::2].argmax() == turn


def test_differences_of_gaussians_are_isotropic() -> None:
    filters = BANKS["differences"]
    torch.testing.assert_close(filters, filters.transpose(2, 3))
    torch.testing.assert_close(filters, filters.rot90(1, (2, 3)))
    assert (filters[:, 0, 4, 4] > 0).all()
    assert (filters[0, 0, 0] < 1e-6).all()


def test_a_difference_of_gaussians_changes_sign_on_its_circle() -> None:
    # Where both Gaussians are equal: r^2 = 2 ln(q^2) s^2 q^2 / (q^2 - 1) at the ratio q.
    std, q = 4.0, 1.6
    radius = math.sqrt(2 * math.log(q**2) * std**2 * q**2 / (q**2 - 1))
    row = difference_of_gaussians(81, [std], q)[0, 0, 40, 40:]
    assert row[math.floor(radius)] > 0 > row[math.ceil(radius)]


@pytest.mark.parametrize("size", [8, 13])
def test_a_difference_of_gaussians_is_rounded_once(size: int) -> None:
    places = [(i - (size - 1) / 2, j - (size - 1) / 2) for i in range(size) for j in range(size)]

    def gaussian(std: float) -> list[float]:
        values = [math.exp(-(i**2 + j**2) / (2 * std**2)) for i, j in places]
        return [value / sum(values) for value in values]

    filters = [p - q for p, q in zip(gaussian(1.3), gaussian(1.3 * 1.6), strict=True)]
    expected = torch.tensor([value / math.hypot(*filters) for value in filters])
    found = difference_of_gaussians(size, [1.3]).flatten()
    torch.testing.assert_close(found, expected, rtol=6e-8, atol=1e-12)


def test_opponent_filters_do_not_see_grey() -> None:
    grey = torch.randn(2, 1, 16, 16)
    f = responses(grey.expand(-1, 3, -1, -1), BANKS["rgb"])
    torch.testing.assert_close(f[:, :18], 3**0.5 * responses(grey, BANKS["grey"]))
    torch.testing.assert_close(f[:, 18:], torch.zeros(2, 36), rtol=0, atol=1e-6)


def test_the_bank_for_grey_images_holds_the_filters_that_it_says() -> None:
    parts = [gabor(13, [wavelength]) for wavelength in (3.0, 6.0)]
    parts += [difference_of_gaussians(13, [std]) for std in (1.0, 2.0)]
    expected, bank = torch.cat(parts), filter_bank(1)
    assert len(bank) == len(expected) == 18
    for one in expected:
        assert (bank - one).abs().amax((1, 2, 3)).min() < 1e-6


@pytest.mark.parametrize("channels", [1, 3])
def test_responses_to_white_noise_are_half_normal_on_average(channels: int) -> None:
    f = responses(0.5 * torch.randn(8, channels, 96, 96), filter_bank(channels)).mean(0)
    expected = 0.5 / math.sqrt(2 * math.pi)
    assert f.tolist() == pytest.approx([expected] * len(f), rel=0.05)


@pytest.mark.parametrize("biased", [False, True])
def test_responses_are_those_of_a_loop(biased: bool) -> None:
    x, w = torch.randn(2, 3, 6, 5, dtype=torch.float64), torch.randn(4, 3, 3, 3).double()
    bias = torch.randn(4).double() if biased else None
    expected = torch.zeros(2, 4).double()
    for i, k in torch.cartesian_prod(torch.arange(2), torch.arange(4)).tolist():
        places = [
            (x[i, :, r : r + 3, c : c + 3] * w[k]).sum() + (bias[k] if biased else 0)
            for r in range(4)
            for c in range(3)
        ]
        expected[i, k] = torch.stack(places).clamp_min(0).mean()
    torch.testing.assert_close(responses(x, w, bias), expected)


def test_an_image_of_the_filters_size_has_one_position() -> None:
    x, w = torch.randn(2, 3, 5, 5), torch.randn(4, 3, 5, 5)
    expected = (x.flatten(1) @ w.flatten(1).T).clamp_min(0)
    torch.testing.assert_close(responses(x, w), expected, rtol=1e-5, atol=1e-5)


def test_brightness_does_not_count() -> None:
    x = torch.randn(2, 3, 20, 20)
    torch.testing.assert_close(responses(x + 0.5, BANKS["rgb"]), responses(x, BANKS["rgb"]))


def test_response_distance_by_hand() -> None:
    f_obs, f_syn = torch.tensor([[1.0, 0.0], [3.0, 2.0]]), torch.tensor([[0.0, 4.0]])
    assert response_distance(f_obs, f_syn).item() == 2.5


def test_response_distance_is_zero_for_a_permutation_and_symmetric() -> None:
    f, g = torch.randn(2, 7, 5, dtype=torch.float64)
    assert response_distance(f, f[torch.randperm(7)]).item() == pytest.approx(0, abs=1e-15)
    assert response_distance(f, g) == response_distance(g, f) > 0


@pytest.mark.parametrize("size", [-1, 0, 1, 2])
def test_sizes_below_three_are_refused(size: int) -> None:
    for call in (lambda: gabor(size, [3.0]), lambda: _gaussian_window(size, 1.0)):
        with pytest.raises(ValueError, match=f"'size' should be at least 3, got {size}"):
            call()


@pytest.mark.parametrize("wavelength", [-3.0, 0.0, 2.0, math.inf, math.nan])
def test_wavelengths_of_two_pixels_or_less_are_refused(wavelength: float) -> None:
    with pytest.raises(ValueError, match=f"'wavelengths' should be above 2 .* got {wavelength}"):
        gabor(9, [3.0, wavelength])


@pytest.mark.parametrize(
    "name, call",
    [
        ("wavelengths", lambda: gabor(9, [])),
        ("orientations", lambda: gabor(9, [3.0], 0)),
        ("stds", lambda: difference_of_gaussians(9, [])),
        ("stds", lambda: difference_of_gaussians(9, [0.0])),
        ("ratio", lambda: difference_of_gaussians(9, [1.0], 1.0)),
        ("channels", lambda: filter_bank(2)),
    ],
)
def test_other_filters_are_refused(name: str, call: Callable[[], Tensor]) -> None:
    with pytest.raises(ValueError, match=f"'{name}' should"):
        call()


@pytest.mark.parametrize(
    "shape", [(2, 1, 13, 12), (2, 1, 12, 13), (2, 3, 20, 20), (1, 20, 20), (13, 13)]
)
def test_images_that_do_not_fit_the_filters_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"'x' should have shape \(N, 1, H, W\) with .* 13, got"):
        responses(torch.zeros(shape), BANKS["grey"])


@pytest.mark.parametrize("shapes", [((2, 3), (2, 4)), ((0, 3), (2, 3)), ((3,), (2, 3))])
def test_responses_that_do_not_fit_are_refused(shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ValueError, match="'f_obs' and 'f_syn' should have shapes"):
        response_distance(*map(torch.zeros, shapes))
