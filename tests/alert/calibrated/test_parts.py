import numpy as np

from nilometer.alert.calibrated.evidence import Budget, EvidenceState
from nilometer.alert.calibrated.parts import Change, ModelState, PartChange, advance

PATIENCE = (288, 12)  # windows of each column
BUDGET = Budget(np.array([0, 0, 1], np.intp), np.array([0.5, 0.5]))


class Run:
    """A model of two columns, of which the first has two streams."""

    def __init__(self) -> None:
        self.state = ModelState(evidence=EvidenceState.empty(3))
        self.window = 0

    def go(self, windows: int, *z: float) -> list[Change]:
        found = []
        for _ in range(windows):
            self.window += 1
            self.state, changes = advance(
                BUDGET, self.state, np.array(z), self.window * 300, PATIENCE
            )
            found += changes
        return found


def kinds(changes: list[Change]) -> list[tuple[int, PartChange]]:
    return [(change.column, change.change) for change in changes]


def test_a_drift_opens_once_and_closes_once() -> None:
    run = Run()
    assert run.go(50, -1, -1, -1) == []
    assert kinds(run.go(200, 5, -1, -1)) == [(0, PartChange.OPENED)]
    assert kinds(run.go(50, -3, -3, -1)) == [(0, PartChange.CLOSED)]
    assert run.go(50, -3, -3, -1) == []


def test_every_stream_that_alarmed_must_recover() -> None:
    run = Run()
    run.go(10, 5, -1, -1)
    run.go(10, -1, 5, -1)
    assert run.go(50, -3, 2, -1) == []
    assert kinds(run.go(50, -3, -3, -1)) == [(0, PartChange.CLOSED)]


def test_columns_open_apart() -> None:
    run = Run()
    assert kinds(run.go(10, 5, -1, 5)) == [(0, PartChange.OPENED), (1, PartChange.OPENED)]


def test_late_windows_move_nothing() -> None:
    run = Run()
    run.go(3, 0, 0, 0)
    before = run.state
    after, changes = advance(BUDGET, before, np.full(3, 100.0), before.end_ns, PATIENCE)
    assert after is before
    assert not changes


def test_a_part_without_data_closes_at_last() -> None:
    run = Run()
    run.go(10, 5, -1, 5)
    nan = float("nan")
    assert run.go(11, nan, nan, nan) == []
    assert kinds(run.go(276, nan, nan, nan)) == [(1, PartChange.CLOSED_WITHOUT_DATA)]
    assert kinds(run.go(1, nan, nan, nan)) == [(0, PartChange.CLOSED_WITHOUT_DATA)]


def test_evidence_starts_anew_after_a_part_has_closed() -> None:
    run = Run()
    run.go(10, 5, -1, -1)
    run.go(50, -3, -3, -1)
    assert run.state.evidence.m[:2].max() < 1
    assert not run.state.parts
