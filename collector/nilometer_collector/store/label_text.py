"""Labels as canonical text: equal labels have equal text."""

import json

from nilometer.values.labels import Labels


def to_text(labels: Labels) -> str:
    """Return a JSON object with sorted keys and without spaces."""
    return json.dumps(labels.as_dict(), ensure_ascii=False, separators=(",", ":"))


def from_text(text: str) -> Labels:
    """Return the labels of a text that `to_text` made."""
    return Labels.of(json.loads(text))
