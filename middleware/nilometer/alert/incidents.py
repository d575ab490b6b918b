"""What an agent that is cut off and the collector both tell receivers with incidents.

Both use the same key for an episode, so their alerts join one incident.

Source of the limits: PagerDuty, "Events API v2"; Opsgenie, "Alert API".
"""

import hashlib
import json
from collections.abc import Mapping

from nilometer.alert.alerter import Severity
from nilometer.values.labels import Labels

MOST_PAGERDUTY_SUMMARY = 1024  # characters
MOST_OPSGENIE_MESSAGE = 130
MOST_OPSGENIE_DESCRIPTION = 15_000
OPSGENIE_PRIORITIES: Mapping[Severity, str] = {
    Severity.INFO: "P5",
    Severity.WARNING: "P3",
    Severity.CRITICAL: "P1",
}

_DIGEST_CHARACTERS = 16


def incident_key(entity: str, alerter: str, summary: str, labels: Labels) -> str:
    """Return the key of the incident of an alerter on one summary and label set.

    An alerter has one open episode for them at a time, so the key needs no number of the episode.

    Args:
        entity: Name of the entity.
        alerter: Name of the alerter.
        summary: Name of the summary.
        labels: Label set.

    Returns:
        At most 155 characters: the entity, and 64 bits of SHA-256 over the others.
    """
    said = json.dumps([alerter, summary, labels.as_dict()], separators=(",", ":"))
    digest = hashlib.sha256(said.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    return f"nilometer/{entity}/{digest}"


def numbered_incident_key(entity: str, number: int) -> str:
    """Return the key of the incident of an episode of the default alerter.

    Several episodes may be open at a time. The collector tells agents the number of the next one, so
    an agent that is cut off opens the incident that the collector joins.

    Args:
        entity: Name of the entity.
        number: Number of the episode, unique within the entity.
    """
    return f"nilometer/{entity}/default-{number}"
