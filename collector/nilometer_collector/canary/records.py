"""Arguments and results of a verdict on a canary. Times are Unix nanoseconds, UTC."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from nilometer.alert.calibrated.two_samples import Difference, Outcome
from nilometer.values.labels import LabelFilter

NEWEST_KEY = "version"  # by default, the newest value of this label is the candidate


class Reason(Enum):
    """The reason of an outcome; a closed set."""

    DIFFERENT = "different"
    ALIKE = "alike"
    UNDECIDED = "undecided"
    TOO_FEW = "too_few"
    NO_CANDIDATE_DATA = "no_candidate_data"
    NO_STABLE_DATA = "no_stable_data"
    NO_WINDOW_YET = "no_window_yet"
    OTHER_PRIVACY = "other_privacy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The question of a canary check: entity, sides and summaries.

    Attributes:
        entity: Entity of the stable side.
        candidate: Labels of the candidate, or None.
        candidate_entity: Entity of the candidate; None for the entity of the stable side.
        newest: Key of a label. Without `candidate` and `candidate_entity`, the candidate is the
            newest value of this label.
        stable: Labels of the stable side; None for all label sets except the candidate's.
        summary: Pattern over names of summaries.
        start_ns: Start of the time to compare.
        least_windows: Fewest windows that a pass needs.
    """

    entity: str
    candidate: LabelFilter | None = None
    candidate_entity: str | None = None
    newest: str = NEWEST_KEY
    stable: LabelFilter | None = None
    summary: str = "*"
    start_ns: int = 0
    least_windows: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryVerdict:
    """The verdict on one summary.

    Attributes:
        outcome: Pass, hold or fail.
        reason: Reason of the outcome.
        sentence: The reason in words.
        counts: Whether the verdict on the candidate depends on it; False if neither side has enough
            rows to compare.
        difference: Measured difference; None if no window was judged.
        window_ns: Length of the judged windows.
        candidate_rows: Rows of the candidate.
        stable_rows: Rows of the stable side.
        learned: Whether the noise of the stable side is known from a baseline.
    """

    summary: str
    outcome: Outcome
    reason: Reason
    sentence: str
    counts: bool
    difference: Difference | None
    window_ns: int
    candidate_rows: int
    stable_rows: int
    learned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The verdict on a candidate.

    Attributes:
        outcome: Fail if a summary fails; pass if all summaries that count pass; otherwise hold.
        reason: Reason of the outcome.
        sentence: The reason in words.
        start_ns: Start of the compared time.
        end_ns: End of the compared time.
        candidate: Label sets of the candidate as text.
        stable: Label sets of the stable side as text.
        summaries: Verdicts on the summaries, failures first.
    """

    outcome: Outcome
    reason: Reason
    sentence: str
    start_ns: int
    end_ns: int
    candidate: Sequence[str]
    stable: Sequence[str]
    summaries: Sequence[SummaryVerdict] = ()
