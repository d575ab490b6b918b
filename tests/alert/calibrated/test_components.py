import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.judged_windows import World

from nilometer.alert.calibrated.baseline import merged
from nilometer.alert.calibrated.components import Layout, orthonormal

shares = st.lists(st.floats(1e-4, 1.0), min_size=2, max_size=64).map(
    lambda weights: np.array(weights) / np.sum(weights)
)
WORLD = World(8, (3, 12))


@given(shares)
def test_polynomials_are_orthonormal_under_the_reference(q: np.ndarray) -> None:
    degree = min(4, len(q) - 1)
    basis = orthonormal(q, degree)
    assert basis.T @ (q[:, None] * basis) == pytest.approx(np.eye(degree), abs=1e-6)
    assert q @ basis == pytest.approx(np.zeros(degree), abs=1e-6)


def test_a_window_like_the_reference_has_components_of_zero() -> None:
    column = WORLD.columns[0]
    layout = Layout([column])
    counts = np.zeros((1, column.width))
    counts[0, : column.bins] = column.shares * 1000
    found = layout.components(counts)
    assert found.smooth == pytest.approx(np.zeros((1, 1, 4)), abs=1e-9)
    assert found.chi[0, 0] == pytest.approx(0.0, abs=1e-6)


def test_position_is_about_the_shift_in_deviations() -> None:
    truth = WORLD.truth(1, 2_000_000)
    truth.mean[0] = 0.25
    ((position, *_),) = Layout([WORLD.columns[0]]).components(WORLD.counts(truth)[0]).smooth[0]
    assert position == pytest.approx(0.25, abs=0.02)


def test_components_and_shape_add_up_to_pearsons_chi_square() -> None:
    vectors = WORLD.counts(WORLD.truth(50, 500, seed=3))[0]
    column = WORLD.columns[0]
    layout = Layout([column])
    found = layout.components(vectors)
    counts = vectors[:, : column.bins]
    n = counts.sum(axis=1)
    expected = n[:, None] * column.shares
    pearson = ((counts - expected) ** 2 / expected).sum(axis=1)
    ours = found.chi[:, 0] + n * (found.smooth[:, 0] ** 2).sum(axis=1)
    assert ours == pytest.approx(pearson)


def test_sampling_variance_is_one_over_the_rows() -> None:
    """Of each smooth component, and two degrees of freedom of the shape; 4,000 windows."""
    vectors = WORLD.counts(WORLD.truth(4000, 400, seed=5))[4]
    layout = Layout([WORLD.columns[4]])
    found = layout.components(vectors)
    n = found.numbers[:, 0]
    assert (found.smooth[:, 0] ** 2).mean(axis=0) * n.mean() == pytest.approx(1.0, abs=0.12)
    spare = float(layout.spare[0])
    assert found.chi.mean() == pytest.approx(spare, rel=0.05)


def test_columns_side_by_side_are_scored_as_each_alone() -> None:
    vectors = WORLD.counts(WORLD.truth(6, 300, seed=2))
    together = Layout(WORLD.columns).components(np.concatenate(vectors, axis=1))
    for place, column in enumerate(WORLD.columns):
        alone = Layout([column]).components(vectors[place])
        of_column = Layout(WORLD.columns).of_rate == place
        assert together.rates[:, of_column] == pytest.approx(alone.rates)
        if column.bins >= 2:
            shaped = Layout(WORLD.columns).shaped.index(place)
            assert together.smooth[:, shaped] == pytest.approx(alone.smooth[:, 0])
            assert together.chi[:, shaped] == pytest.approx(alone.chi[:, 0])


def test_an_empty_window_has_no_components() -> None:
    layout = Layout(WORLD.columns)
    found = layout.components(np.zeros((1, layout.width)))
    assert not found.smooth.any()
    assert not found.rates.any()
    assert not found.chi.any()


def test_longer_windows_are_sums() -> None:
    vectors = WORLD.counts(WORLD.truth(7, 100))[0]
    longer = merged(vectors, 3)
    assert longer.tolist() == [vectors[:3].sum(axis=0).tolist(), vectors[3:6].sum(axis=0).tolist()]


class TestEffectiveRows:
    def layout(self) -> Layout:
        return Layout(WORLD.columns[:2])

    def test_more_rows_a_request_than_usual_count_for_nothing(self) -> None:
        layout = self.layout()
        counts = np.concatenate(WORLD.counts(WORLD.truth(1, 1000))[:2], axis=1)
        usual = np.array([1.0, 0.2])
        scaled = layout.effective(counts, usual)
        width = WORLD.columns[0].width
        assert scaled[:, :width] == pytest.approx(counts[:, :width])
        assert scaled[:, width:] == pytest.approx(counts[:, width:] * 0.2)

    def test_fewer_rows_a_request_change_nothing(self) -> None:
        counts = np.concatenate(WORLD.counts(WORLD.truth(1, 1000))[:2], axis=1)
        assert self.layout().effective(counts, np.array([5.0, np.nan])) is counts

    def test_subjects_count_as_in_kishs_formula(self) -> None:
        counts = np.concatenate(WORLD.counts(WORLD.truth(1, 1000))[:2], axis=1)
        counts[:, WORLD.columns[0].width - 1] = 10 * 100.0**2  # ten users with 100 rows each
        scaled = self.layout().effective(counts, np.full(2, np.nan))
        assert scaled[0, WORLD.columns[0].width - 5] == pytest.approx(10.0)
