"""Chooses the media type of an answer, JSON or another form, by the header Accept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from nilometer_collector.api.problems import ApiError

JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A media type of an answer other than JSON.

    Attributes:
        media_type: Media type.
        encode: Function that encodes the answer.
        missing: Function that returns the reason why it cannot be encoded; empty if it can.
    """

    media_type: str
    encode: Callable[[Any], bytes]  # `Any`, because each operation has its own type of answer
    missing: Callable[[], str] = str


AS_JSON = Form(media_type=JSON, encode=msgspec.json.encode)


def chosen(accept: str, others: Sequence[Form]) -> Form:
    """Return the form that the header *accept* prefers; JSON if several are equal.

    Raises:
        ApiError: 406 if the client accepts no form that this collector can encode.
    """
    ranges = _ranges(accept)
    forms = (AS_JSON, *others)
    liked = [form for form in forms if _weight(form.media_type, ranges) > 0]
    able = [form for form in liked if not form.missing()]
    if able:
        return max(able, key=lambda form: _weight(form.media_type, ranges))
    reasons = [form.missing() for form in liked]
    known = ", ".join(form.media_type for form in forms)
    raise ApiError(406, "; ".join(reasons) or f"accept: must allow one of {known}", "accept")


def _ranges(accept: str) -> dict[str, float]:
    """Return the weight of each media range; an empty header accepts everything."""
    found: dict[str, float] = {}
    for part in accept.lower().split(","):
        name, *parameters = (text.strip() for text in part.split(";"))
        weights = [text[2:].strip() for text in parameters if text.startswith("q=")]
        if name:
            found[name] = _number(weights[0]) if weights else 1.0
    return found or {"*/*": 1.0}


def _number(text: str) -> float:
    """Return a weight, 0 to 1; 0 if it is malformed."""
    whole, _, rest = text.partition(".")
    if whole not in {"0", "1"} or not (rest or "0").isdigit() or not text.isascii():
        return 0.0
    return min(float(text), 1.0)


def _weight(media_type: str, ranges: dict[str, float]) -> float:
    """Return the weight of the most specific range that includes *media_type*."""
    kind = media_type.partition("/")[0]
    for one in (media_type, f"{kind}/*", "*/*"):
        if one in ranges:
            return ranges[one]
    return 0.0
