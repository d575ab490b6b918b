"""The keys under which receivers with incidents keep the episodes of alerters that users set.

An agent that is cut off and the collector use the same key, so their alerts join one incident.
"""

import hashlib
import json

from nilometer.values.labels import Labels

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
