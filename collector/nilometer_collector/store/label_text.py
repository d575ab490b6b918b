"""Labels as canonical text: equal labels, equal text."""

import json

from nilometer.values.labels import Labels


def to_text(labels: Labels) -> str:
    """A JSON object, keys sorted, no spaces."""
    return json.dumps(labels.as_dict(), ensure_ascii=False, separators=(",", ":"))


def from_text(text: str) -> Labels:
    """The labels of `to_text`."""
    return Labels.of(json.loads(text))
