import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.alert.calibrated.evidence import THETA, Budget, EvidenceState, recovery

ONE = np.zeros(1, np.intp)


def budget_of(streams: int, budget: float = 8640.0) -> Budget:
    return Budget(np.arange(streams), np.full(streams, 1 / streams), budget=budget)


def run(budget: Budget, scores: np.ndarray) -> int | None:
    """The number of the first window that alarms; None if none does."""
    state = EvidenceState.empty(scores.shape[1])
    for window, z in enumerate(scores, start=1):
        state, alarms = budget.advance(state, z, window)
        if alarms:
            return window
    return None


def test_the_evidence_has_the_bits_of_the_formula() -> None:
    rng = np.random.default_rng(3)
    streams, budget = 40, budget_of(40)
    cap = np.log(8640.0 * streams) / 2 + np.log(4) / 2 + 0.01
    state = EvidenceState.empty(streams)
    for window in range(1, 400):
        z = rng.normal(0.2, 1.5, streams)
        z[rng.random(streams) < 0.1] = np.nan
        before = state
        state, _ = budget.advance(before, z, window)
        seen = np.isfinite(z)
        exponent = np.where(seen, z, 0.0)[:, None] * THETA - THETA**2 / 2
        m = np.where(seen[:, None], (1 + before.m) * np.exp(np.minimum(exponent, cap)), before.m)
        floor = m.mean(axis=1) <= 1
        more = np.minimum(before.windows.astype(int) + (seen & (exponent.max(axis=1) > 0)), 255)
        assert state.m.tolist() == m.tolist()
        assert state.windows.tolist() == np.where(floor, 0, more).tolist()
        assert state.since_ns.tolist() == np.where(floor, window, before.since_ns).tolist()


def test_one_odd_window_never_alarms() -> None:
    z = np.full((300, 50), -0.5)
    z[100] = 1000.0
    assert run(budget_of(50), z) is None


def test_two_odd_windows_do() -> None:
    z = np.full((300, 50), -0.5)
    z[100:102] = 1000.0
    assert run(budget_of(50), z) == 102


def test_a_window_that_is_not_judged_moves_nothing() -> None:
    budget = budget_of(3)
    state, _ = budget.advance(EvidenceState.empty(3), np.array([1.0, 2.0, 0.5]), 1)
    after, alarms = budget.advance(state, np.full(3, np.nan), 2)
    assert after.m.tolist() == state.m.tolist()
    assert after.windows.tolist() == state.windows.tolist()
    assert not alarms


def test_the_onset_is_the_end_of_the_last_quiet_window() -> None:
    budget = budget_of(1)
    state = EvidenceState.empty(1)
    for window in range(1, 31):
        z = 4.0 if window > 20 else -1.0
        state, alarms = budget.advance(state, np.array([z]), window * 300)
        if alarms:
            assert alarms[0].onset_ns == 20 * 300
            return
    pytest.fail("no alarm")


def test_a_state_takes_at_most_45_bytes_a_stream() -> None:
    state = EvidenceState.empty(1000)
    assert state.m.nbytes + state.windows.nbytes + state.since_ns.nbytes <= 45_000


@given(st.integers(1, 40))
def test_streams_of_a_column_share_its_part_of_the_budget(streams: int) -> None:
    """However many streams a column has, equal scores in all of them alarm no earlier than one."""
    alone = run(budget_of(1), np.full((200, 1), 1.5))
    many = Budget(np.zeros(streams, np.intp), np.ones(1))
    assert run(many, np.full((200, streams), 1.5)) == alone


def test_without_drift_evidence_grows_no_faster_than_time() -> None:
    """E[M_t] <= t: the law behind the budget; 4,000 streams, 60 windows, theta up to 1."""
    rng = np.random.default_rng(0)
    budget = budget_of(4000)
    state = EvidenceState.empty(4000)
    for window in range(1, 61):
        state, _ = budget.advance(state, rng.normal(size=4000), window)
    assert state.m[:, 0].mean() == pytest.approx(60, rel=0.15)
    assert state.m[:, 1].mean() <= 60 * 1.4


@pytest.mark.parametrize(
    ("theta", "budget", "published"), [(0.5, 100, 134), (1.0, 100, 179), (2.0, 100, 321)]
)
def test_run_lengths_of_one_statistic_are_the_published_ones(
    theta: float, budget: int, published: float
) -> None:
    """Shiryaev-Roberts without a mixture: ARL is about ``A exp(.5826 theta)`` (Pollak, Siegmund).

    The recursion is that of the module, for one theta and without the cap.
    """
    rng = np.random.default_rng(5)
    m = np.zeros(20_000)
    length = np.zeros(20_000)
    going = np.ones(20_000, bool)
    while going.any():
        z = rng.normal(size=int(going.sum()))
        m[going] = (1 + m[going]) * np.exp(theta * z - theta**2 / 2)
        length[going] += 1
        going &= m < budget
    assert length.mean() == pytest.approx(published, rel=0.05)


def test_recovery_falls_again_however_long_it_has_grown() -> None:
    m = np.zeros(len(THETA))
    for _ in range(2000):
        m = recovery(m, -3.0)
    assert np.isfinite(m).all()
    for _ in range(20):
        m = recovery(m, 5.0)
    assert m.mean() < 1


def test_recovery_needs_windows_inside_the_tolerance() -> None:
    m = np.zeros(len(THETA))
    for _ in range(50):
        m = recovery(m, 3.0)
    assert m.mean() < 1
    windows = 0
    while m.mean() < 200:
        m = recovery(m, -2.0)
        windows += 1
    assert 2 <= windows <= 4
