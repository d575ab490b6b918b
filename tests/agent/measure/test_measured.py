"""The series of the agent: their number is bounded, and losses are among them."""

from typing import Any

from nilometer.export.keys import MEASURE, REASON, RPC_METHOD, SUMMARY
from nilometer.export.server_metrics import CALL_DURATION
from nilometer.export.telemetry import LOGGED_SAMPLES, LOGGED_VALUE, LOST_CELLS
from nilometer.profile import Content, Coverage, ServiceProfile, SummarySample
from nilometer.profile.logged.amounts import Aggregation, Head
from nilometer.profile.logged.confusion_matrix import ConfusionMatrix
from nilometer.profile.logged.matrix import Matrix
from nilometer.profile.logged.number import Number
from nilometer.profile.logged.text import Text
from nilometer.profiling.observation import pack, unpack
from nilometer.testing import SteppedClock
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer_agent.measure.measured import Measured
from nilometer_agent.measure.requests import MAX_CALLS, OTHER_METHOD

GRPC = "application/grpc"


def call(path: str, status: int = 200) -> tuple[Any, ...]:
    outcome = "ok" if status == 200 else "client_error"
    return (
        *(1_700_000_000_000_000_000, 0.01, status, outcome, "POST", path, 1, 1),
        *(GRPC, "", GRPC, "", b"x", b"y", ""),
    )


def methods(rows: list[tuple[Any, ...]], times: int = 1) -> dict[str, int]:
    """Calls by the method they are told under."""
    measured = Measured(dict, lambda: 0, 60.0, SteppedClock())
    for _ in range(times):
        measured.observed("scorer", Labels(), b"w", Labels(), unpack(pack(rows)))
        measured.committed([], [])
    (family,) = [one for one in measured.families() if one.metric is CALL_DURATION]
    found: dict[str, int] = {}
    for point in family.points:
        name = str(dict(point.attributes)[RPC_METHOD])
        found[name] = found.get(name, 0) + point.value.histogram.count  # type: ignore[union-attr]
    return found


def test_a_method_that_nobody_has_is_no_series_of_its_own() -> None:
    rows = [call("/score.Scorer/Score"), *(call(f"/made.Up/No{n}", 404) for n in range(2100))]
    assert methods(rows) == {"score.Scorer/Score": 1, OTHER_METHOD: 2100}


def test_methods_with_series_of_their_own_are_so_many_and_keep_them() -> None:
    rows = [call(f"/score.Scorer/M{n}") for n in range(MAX_CALLS + 50)]
    found = methods(rows, times=2)
    assert found.pop(OTHER_METHOD) == 100
    assert found == {f"score.Scorer/M{n}": 2 for n in range(MAX_CALLS)}


def test_lost_cells_are_counted_once_their_window_closes() -> None:
    measured = Measured(dict, lambda: 0, 60.0, SteppedClock())
    service = SummarySample(
        entity="scorer",
        summary="service",
        labels=Labels(),
        window=Window(0, 60 * 10**9),
        coverage=Coverage(profiled=5, lost_cells={"other_kind": 3, "too_large": 4}),
        content=ServiceProfile(),
    )
    measured.committed([], [service])
    measured.closed([service], [])
    (family,) = [one for one in measured.families() if one.metric is LOST_CELLS]
    found = {dict(point.attributes)[REASON]: point.value for point in family.points}
    assert found == {"other_kind": 3, "too_large": 4}


def test_logged_samples_are_counted_and_their_figures_are_gauges() -> None:
    measured = Measured(dict, lambda: 0, 60.0, SteppedClock())
    head = Head(Aggregation.MEAN)
    contents: list[Content] = [
        Number.of(0.5, head),
        ConfusionMatrix.of(["no", "yes"], [[3, 1], [0, 4]], head),
        Matrix.of([[1.0]], head),
        Text("v7", 1),
        Number(),
    ]
    samples = [
        SummarySample(
            entity="scorer",
            summary=f"logged.{at}",
            labels=Labels(),
            window=Window(0, 60 * 10**9),
            coverage=Coverage(profiled=content.count),
            content=content,
        )
        for at, content in enumerate(contents)
    ]
    measured.committed([], samples)
    measured.committed([], samples)
    measured.closed(samples, [])
    found = {
        (
            family.metric,
            *(dict(point.attributes).get(key) for key in (SUMMARY, MEASURE)),
        ): point.value
        for family in measured.families()
        if family.metric in (LOGGED_SAMPLES, LOGGED_VALUE)
        for point in family.points
    }
    counted: dict[tuple[object, ...], object] = {
        (LOGGED_SAMPLES, f"logged.{at}", None): content.count * 2
        for at, content in enumerate(contents)
    }
    assert found == {
        **counted,
        (LOGGED_VALUE, "logged.0", "value"): 0.5,
        (LOGGED_VALUE, "logged.1", "accuracy_ratio"): 7 / 8,
    }
