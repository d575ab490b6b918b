"""Checks of an agent's row (a sample or an evaluation) before it is stored.

A row that passes can be shown and merged with every other row of its series. Reading it later never
fails, never allocates unbounded memory, and never overflows an integer.
"""

from datetime import UTC, datetime

from nilometer.alert import Evaluation
from nilometer.profile import Coverage, SummarySample
from nilometer.profile.logged.logged import Logged
from nilometer.profile.logged.text import Text
from nilometer.values.clock import NANOSECONDS
from nilometer.values.entity import entity_name
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer_collector.errors import Refused
from nilometer_collector.limits.alerters import check_alerter
from nilometer_collector.limits.bounds import (
    LAST_NS,
    MAX_NAME_BYTES,
    check_counts,
    check_kinds,
    check_numbers,
    check_summary,
    check_text,
)
from nilometer_collector.limits.contents import check_content

MAX_ROW_BYTES = 256 << 10  # a sample is 1 to 8 KiB
MAX_EVIDENCE_CHARACTERS = 1000
MAX_LABELS = 32
MAX_WINDOW_NS = 400 * 86_400 * 10**9


class FromFuture(Refused):
    """A window begins, or a sample was made, too long after the collector's clock.

    Args:
        reason: Sentence that names the field, its time and the latest allowed time.
        at_ns: Time of the row, Unix nanoseconds.
    """

    def __init__(self, reason: str, at_ns: int) -> None:
        super().__init__(reason)
        self.at_ns = at_ns


def check_sample(sample: SummarySample, *, digest: bool = True) -> None:
    """Refuse *sample* if it could not be stored and merged.

    Args:
        sample: Sample to check.
        digest: Whether its content has its t-digest; without it, the caller has checked it.

    Raises:
        Refused: If a value exceeds a limit; the message gives the reason.
        ConfigError: If the entity's name is not allowed.
    """
    entity_name(sample.entity)
    check_summary(sample.summary)
    check_labels(sample.labels)
    _check_window(sample.window)
    _check_coverage(sample.coverage)
    check_content(sample, digest=digest)


def check_begun(window: Window, latest_ns: int) -> None:
    """Refuse a window that begins after *latest_ns*.

    Such a window comes from a wrong clock. It would stay the newest window of its series until then.
    A window may end later, because a user may log a value for the whole of today or of this year.

    Raises:
        FromFuture: If it begins later; the message begins with the field.
    """
    _check_time("start", window.start_ns, latest_ns)


def check_made(sample: SummarySample, latest_ns: int) -> None:
    """Refuse a *sample* whose window begins, or whose content was made, after *latest_ns*.

    With the aggregation `last`, the content that was made last replaces the others.

    Raises:
        FromFuture: If one of both times is later; the message begins with the field.
    """
    check_begun(sample.window, latest_ns)
    content = sample.content
    if isinstance(content, Text | Logged):
        stamp = content.stamp if isinstance(content, Text) else content.amounts.stamp
        _check_time("created", stamp.created_ns, latest_ns)


def _check_time(field: str, at_ns: int, latest_ns: int) -> None:
    if at_ns > latest_ns:
        at, latest = (
            datetime.fromtimestamp(ns // NANOSECONDS, UTC).isoformat() for ns in (at_ns, latest_ns)
        )
        raise FromFuture(
            f"{field}: is {at}, which is too far in the future: must be at most {latest}, the "
            "collector's clock plus `future_seconds`; set the clock that is wrong",
            at_ns,
        )


def check_evaluation(evaluation: Evaluation) -> None:
    """Refuse *evaluation* if it could not be stored.

    Raises:
        Refused: If a value exceeds a limit; the message gives the reason.
        ConfigError: If the entity's name is not allowed.
    """
    check_alerter(evaluation.alerter)
    check_summary(evaluation.summary)
    check_labels(evaluation.labels)
    _check_window(evaluation.window)
    check_numbers("value", evaluation.value)
    check_text("reference_digest", evaluation.reference_digest, MAX_NAME_BYTES)


def check_labels(labels: Labels) -> None:
    """Refuse too many labels, and values that are too long or have control characters.

    Raises:
        Refused: If a limit is exceeded.
    """
    if len(labels) > MAX_LABELS:
        raise Refused(f"has {len(labels)} labels, must have at most {MAX_LABELS}")
    for key, value in labels:
        check_text(f"label {key}", value, MAX_NAME_BYTES)


def _check_window(window: Window) -> None:
    """Refuse a window outside Unix time 0 to `LAST_NS`, or longer than 400 days."""
    if not 0 <= window.start_ns < window.end_ns <= LAST_NS:
        raise Refused("the window must have start < end, both 0 to 2116")
    if window.end_ns - window.start_ns > MAX_WINDOW_NS:
        raise Refused("the window must be at most 400 days long")


def _check_coverage(coverage: Coverage) -> None:
    check_kinds("dropped", coverage.dropped)
    check_kinds("undecodable", coverage.undecodable)
    check_kinds("lost_inputs", coverage.lost_inputs)
    check_kinds("lost_outputs", coverage.lost_outputs)
    check_kinds("unnamed", coverage.unnamed)
    check_kinds("lost_cells", coverage.lost_cells)
    counts = (coverage.seen, coverage.profiled, coverage.sampled_out, coverage.suppressed)
    check_counts("coverage", (*counts, coverage.unread_times))
