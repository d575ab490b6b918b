import numpy as np
import pytest
from scipy import stats

from nilometer.alert.calibrated.scores import binomial_score, chi_square_score, normal_score


def test_a_normal_score_has_the_tail_of_students_t() -> None:
    z = np.array([[0.5], [2.0], [6.0]])
    tails = stats.norm.sf(normal_score(z, np.array([5.0])))
    assert tails == pytest.approx(stats.t.sf(z, 5.0), rel=1e-9)


def test_what_speaks_against_a_drift_is_left_as_it_is() -> None:
    assert normal_score(np.array([[-3.0, 0.0]]), np.full(2, 3.0)).tolist() == [[-3.0, 0.0]]


@pytest.mark.parametrize(("n", "p"), [(50, 0.0), (50, 0.02), (500, 0.1), (2000, 0.5)])
def test_a_binomial_score_has_the_exact_tail(n: int, p: float) -> None:
    k = np.arange(int(n * p) + 1, min(int(n * p) + 15, n))
    every = np.ones(len(k))
    tails = stats.norm.sf(binomial_score(k.astype(float), n * every, p * every))
    assert tails == pytest.approx(stats.binom.sf(k - 1, n, max(p, 1e-9)), rel=1e-6)


def test_at_most_the_expected_count_is_no_evidence() -> None:
    z = binomial_score(np.array([0.0, 5.0, 10.0]), np.full(3, 100.0), np.full(3, 0.1))
    assert (z <= 0).all()


def test_a_noncentral_chi_square_becomes_nearly_normal() -> None:
    rng = np.random.default_rng(1)
    for degrees, noncentral in ((6.0, 0.0), (27.0, 15.0), (27.0, 300.0)):
        drawn = (
            rng.noncentral_chisquare(degrees, noncentral, 200_000)
            if noncentral
            else rng.chisquare(degrees, 200_000)
        )
        z = chi_square_score(drawn, degrees, np.array(noncentral))
        for level in (0.05, 0.001):
            assert (z > stats.norm.isf(level)).mean() == pytest.approx(level, rel=0.35)
