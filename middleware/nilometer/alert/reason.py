"""The reasons of alert statuses: one closed set for the default alerter and for alerters that users set."""

from enum import Enum


class Reason(Enum):
    """The reason of a status; a closed set."""

    # OK
    WATCHED = "watched"  # the default alerter finds no drift
    WITHIN_LIMIT = "within_limit"
    BREACH_TOO_SHORT = "breach_too_short"  # not enough breaches to open an episode yet
    # ALERTING
    DRIFT = "drift"  # an episode of the default alerter is open
    BREACH = "breach"
    NOT_YET_CLOSED = "not_yet_closed"  # within the limit, but not long or far enough to close
    # LEARNING
    LEARNING = "learning"
    COARSE = "coarse"
    NO_WINDOW_YET = "no_window_yet"
    IMMATURE = "immature"  # too few of the usual labels have arrived
    NO_EARLIER_WINDOW = "no_earlier_window"  # nothing to compare with yet
    # NO_DATA
    NO_TRAFFIC = "no_traffic"
    NO_AGENT = "no_agent"
    VERSION_GONE = "version_gone"
    NO_WINDOW = "no_window"  # no window arrives any more
    # PAUSED
    NEW_NORMAL = "new_normal"  # a person accepted the current values
    OUTSIDE_SCHEDULE = "outside_schedule"
    MAINTENANCE = "maintenance"
    # NOT_WATCHED
    SWITCHED_OFF = "switched_off"
    UNSTABLE_BASELINE = "unstable_baseline"
    TOO_FEW = "too_few"
    NOTHING_TO_JUDGE = "nothing_to_judge"  # no value or distance can be computed
    NO_SUCH_SUMMARY = "no_such_summary"
    NO_SUCH_REFERENCE = "no_such_reference"
    REFERENCE_EXPIRED = "reference_expired"
    FAILED = "failed"  # the alerter's code or the comparator raised an error
    UNREADABLE = "unreadable"  # the kind, comparator or statistic is not installed
