"""What an alerter of the user's own code returns: a status with its evidence."""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

MOST_REPORTS = 100  # reports for one interval
MOST_EVIDENCE_CHARACTERS = 1024
MOST_NAME_CHARACTERS = 256

ReportedStatus: TypeAlias = Literal["OK", "ALERTING", "NO_DATA", "LEARNING"]
Name: TypeAlias = Annotated[str, Meta(max_length=MOST_NAME_CHARACTERS)]


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The status of one summary and label set in an interval.

    Attributes:
        status: ``OK``; ``ALERTING`` for a breach; ``NO_DATA`` if nothing could be measured;
            ``LEARNING`` if there is nothing to compare with yet.
        evidence: Reason for the status, one sentence of at most 1,024 characters.
        value: Measured value, in the unit of the alerter; finite.
        summary: Name of the summary; empty for the one that the alerter names.
        labels: Labels of the measured traffic; empty for all of it.
    """

    status: ReportedStatus
    evidence: Annotated[str, Meta(min_length=1, max_length=MOST_EVIDENCE_CHARACTERS)]
    value: float = 0.0
    summary: Name = ""
    labels: dict[Name, Name] = {}
