"""The status of the default alerter, in the form that is stored."""

from enum import Enum

import msgspec

from nilometer.alert import AlertStatus
from nilometer.alert.reason import Reason


class PartEnd(Enum):
    """The way in which a part of an episode closed; a closed set."""

    RECOVERED = "recovered"
    NO_DATA = "no_data"
    REPLACED = "replaced"  # a new baseline judges it
    NEW_NORMAL = "new_normal"  # a person accepted its current values


class SummaryReport(msgspec.Struct, frozen=True, kw_only=True):
    """The status of one summary and label set.

    Attributes:
        summary: Name of the summary.
        labels: Label set; empty for all traffic.
        status: Status.
        reason: Reason of the status.
        sentence: The reason in words.
        phase: Phase of its baseline: LEARNING, COARSE or ACTIVE.
        window_seconds: Length of the windows over which it is judged.
    """

    summary: str
    labels: dict[str, str]
    status: AlertStatus
    reason: Reason
    sentence: str
    phase: str
    window_seconds: int


class WatchReport(msgspec.Struct, frozen=True, kw_only=True):
    """The status of the default alerter of one entity.

    Attributes:
        status: Status.
        reason: Reason of the status.
        sentence: The reason in words.
        phase: Phase of most baselines: LEARNING, COARSE or ACTIVE.
        next_phase_ns: Expected start of the next phase, Unix nanoseconds; None if unknown, or in
            the last phase.
        frozen: Whether the baselines no longer change.
        frozen_ns: Time at which they were frozen, or are expected to be; None if unknown.
        judged_ns: End of the newest window that was judged; None before the first.
        data_ns: End of the newest window with data, Unix nanoseconds; None before the first.
        is_silent: Whether there was no request for an unusually long time.
        late_rows: Rows of the last three days that arrived after their window was judged.
        budget_days: Allowed mean number of days between false alarms of the entity.
        summaries: Status of each summary and label set.
    """

    status: AlertStatus
    reason: Reason
    sentence: str
    phase: str = "LEARNING"
    next_phase_ns: int | None = None
    frozen: bool = False
    frozen_ns: int | None = None
    judged_ns: int | None = None
    data_ns: int | None = None
    is_silent: bool = False
    late_rows: int = 0
    budget_days: float = 30.0
    summaries: tuple[SummaryReport, ...] = ()

    def to_bytes(self) -> bytes:
        """Return the report as bytes."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def from_bytes(cls, content: bytes) -> "WatchReport":
        """Return the report from the bytes of `to_bytes`.

        Raises:
            ValueError: If the bytes are not a report.
        """
        return msgspec.msgpack.decode(content, type=cls)
