"""Steps of the default alerter as a store gets them."""

from dataclasses import replace

from nilometer.alert import Alerter, AlertStatus, Severity
from nilometer.alert.conditions import DEFAULT_ALERTER, Calibrated
from nilometer.values.labels import Labels
from nilometer_collector.alerting.episodes import Closed, Opened, Turn
from nilometer_collector.store import EpisodeStep, PartRecord, WatchStep
from nilometer_collector.testing import ENTITY

ALERTER = Alerter(
    entity=ENTITY,
    name=DEFAULT_ALERTER,
    summary="*",
    condition=Calibrated(component="position", unit="sd", tolerance=0.1),
    severity=Severity.WARNING,
)


def a_part(summary: str = "input.amount", **changes: object) -> PartRecord:
    """Return an open part of an episode with these *changes*."""
    known: dict[str, object] = {
        "summary": summary,
        "labels": Labels(),
        "component": "position",
        "direction": 1,
        "onset_ns": 100,
        "opened_ns": 200,
        "closed_ns": None,
        "effect": 0.5,
        "bound": 0.4,
        "tolerance": 0.1,
        "unit": "sd",
        "severity": "warning",
        "evidence": f"{summary} moved",
    }
    return PartRecord(**{**known, **changes})  # type: ignore[arg-type]


def a_turn(status: AlertStatus, at_ns: int) -> Turn:
    """Return an opening or closing at *at_ns*."""
    return Turn(
        status=status,
        at_ns=at_ns,
        window_start_ns=at_ns - 100,
        value=0.5,
        evidence="moved",
        reference_digest="abc",
        alerter=ALERTER,
    )


def an_opening(number: int, *parts: PartRecord) -> EpisodeStep:
    """Return the opening of an episode whose first part leads."""
    change = Opened(since_ns=100, turn=a_turn(AlertStatus.ALERTING, 200))
    return EpisodeStep(
        number=number, summary=parts[0].summary, labels=parts[0].labels, value=0.5, change=change,
        parts=parts,
    )  # fmt: skip


def a_step(revision: int = 0, **changes: object) -> WatchStep:
    """Return a step after *revision* with these *changes*."""
    known: dict[str, object] = {
        "revision": revision,
        "state": b"state",
        "baselines": None,
        "report": b"report",
        "windows": (),
        "forget": None,
        "episodes": (),
    }
    return WatchStep(**{**known, **changes})  # type: ignore[arg-type]


def a_closing(number: int, part: PartRecord) -> EpisodeStep:
    """Return the closing of an episode that only has *part*."""
    closed = Closed(closed_ns=900, turn=a_turn(AlertStatus.OK, 900))
    return replace(an_opening(number, replace(part, closed_ns=900)), change=closed)
