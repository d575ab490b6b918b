"""Labels as canonical text: equal labels have equal text."""

import hashlib
import json
from functools import lru_cache

from nilometer.values.labels import ByKey, Labels
from nilometer_collector.store.texts import check_texts


@lru_cache(maxsize=1024)  # entries of at most 10 KiB; the rows of a call share a few label sets
def to_text(labels: Labels) -> str:
    """Return a JSON object with sorted keys and without spaces.

    Raises:
        Refused: If a value contains NUL, which PostgreSQL cannot store, even escaped.
    """
    check_texts([value for _, value in labels.pairs])
    return json.dumps(labels.as_dict(), ensure_ascii=False, separators=(",", ":"))


def from_text(text: str) -> Labels:
    """Return the labels in a text of `to_text`."""
    return Labels.of(json.loads(text))


def filter_text(allowed: ByKey) -> str | None:
    """Return a JSON object of the lists of allowed values by key; None if there are none."""
    found = {key: list(values) for key, values in allowed}
    return json.dumps(found, ensure_ascii=False) if found else None


@lru_cache(maxsize=1024)
def digest_of(labels: Labels) -> bytes:
    """Return the digest of the text of *labels*.

    Raises:
        Refused: As `to_text`.
    """
    return digest(to_text(labels))


def digest(text: str) -> bytes:
    """Return the SHA-256 of a text of `to_text`, because an index cannot hold long texts."""
    return hashlib.sha256(text.encode()).digest()
