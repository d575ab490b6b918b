"""A short, seeded form of the tables in `quality.comparators`."""

import pytest
from quality.comparators import OF_BINS, SHAPES, psi_above, without_drift

WINDOWS = 3000


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bins", [32, 64])
def test_psi_of_a_hundred_rows_hardly_ever_exceeds_a_quarter(shape: str, bins: int) -> None:
    """Under one in a thousand; with a floor of 1e-4 it was 98 % at 64 bins."""
    share = psi_above(shape, bins, 20_000, 100, windows=WINDOWS, seed=bins)
    assert share < 0.001


@pytest.mark.parametrize("reference", [50, 100, 300])
def test_a_small_reference_widens_the_noise_and_no_more(reference: int) -> None:
    share = psi_above("equal", 32, reference, 1000, windows=WINDOWS, seed=reference)
    assert share < 0.01


@pytest.mark.parametrize("name", OF_BINS)
@pytest.mark.parametrize("rows", [300, 3000])
def test_the_stated_noise_is_what_windows_without_drift_show(name: str, rows: int) -> None:
    mean, noise, high = without_drift(name, 32, 20_000, rows, windows=200, seed=rows)
    assert mean <= max(1.1 * noise, 0.25 * high + 1e-9)
    assert mean >= 0.6 * noise
