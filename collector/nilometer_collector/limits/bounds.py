"""Limits for names, texts, counts and histograms before they are stored."""

import math
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

import msgspec

from nilometer.sketch.exponential import MAX_BUCKETS, MAX_SCALE, MIN_SCALE, ExponentialHistogram
from nilometer.values.entity import SCHEMA, SERVICE, is_logged, role_of
from nilometer_collector.errors import Refused

MAX_COUNT = 1 << 48  # most observations in one sample, so that a sum over 10,000 samples fits int64
MAX_NAME_BYTES = 256  # longest name of a summary
MAX_NAME_CHARACTERS = 256  # longest text that a client of the API sends
MAX_KINDS = 64  # most outcomes, reasons or types; newer agents may send unknown ones
LAST_NS = 1 << 62  # year 2116, so that sums fit int64
FUTURE_SECONDS = 86_400.0  # default of the setting: more than any error of a time zone
SPAN_OF_FLOAT64 = 1100  # at least the largest absolute binary exponent of a float64
PRINTABLE = r"[^\u0000-\u001f\u007f-\u009f]"  # no control character; in the notation of JSON Schema
# Patterns also decode what is stored, so they keep the rule of the versions that stored it. What
# arrives is checked with `is_plain`, too.
NO_CONTROL = f"^{PRINTABLE}*$"
# Requires a character that is neither a space nor a control character.
SAYS_SOMETHING = rf"^{PRINTABLE}*[^\u0000-\u0020\u007f-\u00a0]{PRINTABLE}*$"
# Fields of declared objects that hold names and values of data, or patterns that match them. Data may
# have bidirectional controls.
OF_DATA = frozenset(
    {
        *("summaries", "labels", "tolerances", "share_tolerances", "columns"),
        *("predicted", "score", "scores", "positive", "negative", "classes", "values"),
    }
)
# Bidirectional controls: with them, a text can be shown in another order than it is read by programs.
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def has_control(text: str) -> bool:
    """Return whether *text* contains a control character, such as NUL, or a lone surrogate."""
    return _control_of(text) is not None


def is_plain(text: str) -> bool:
    """Return whether people may write *text* as a name, a reason or another text.

    Such a text has neither a character of `has_control` nor a bidirectional control.
    """
    return _odd_of(text) is None


class Control(NamedTuple):
    """A character that a text must not contain.

    Attributes:
        place: Place of the text, in the notation of msgspec.
        character: The character.
    """

    place: str
    character: str

    @property
    def sentence(self) -> str:
        """Sentence that names the place and the character, which most terminals do not show."""
        return f"{self.place}: {_refusal(self.character)}"


def control_in(value: msgspec.Struct, of_data: Collection[str] = OF_DATA) -> Control | None:
    """Return the first character of a text or key of *value* that is not allowed.

    Patterns of fields refuse most control characters, but Python's patterns accept a newline at the end.

    Args:
        value: Object that arrived.
        of_data: Names of its fields with data, where only `has_control` refuses a text. In all other
            fields, `is_plain` must allow it.

    Returns:
        The character and its place; None without one.
    """
    fields: dict[str, object] = msgspec.to_builtins(value)
    found = (
        _first_in(item, name, _control_of if name in of_data else _odd_of)
        for name, item in fields.items()
    )
    return next((one for one in found if one is not None), None)


def check_text(key: str, text: str, most_bytes: int) -> None:
    """Refuse a text of more than *most_bytes*, or with a control character."""
    if len(text.encode("utf-8", "replace")) > most_bytes:
        raise Refused(f"{key} must be at most {most_bytes} bytes")
    control = _control_of(text)
    if control is not None:
        raise Refused(f"{key} {text[:64]!r} {_refusal(control)}")


def check_characters(key: str, text: str, most: int) -> None:
    """Refuse a text of more than *most* characters, or with a control character."""
    if len(text) > most:
        raise Refused(f"{key} must be at most {most} characters")
    check_text(key, text, 4 * most)


def check_written(key: str, text: str, most: int) -> None:
    """Refuse a text of more than *most* characters, or one that people may not write."""
    check_characters(key, text, most)
    check_plain(key, text)


def check_plain(key: str, text: str) -> None:
    """Refuse a text that people may not write."""
    odd = _odd_of(text)
    if odd is not None:
        raise Refused(f"{key} {text[:64]!r} {_refusal(odd)}")


def check_summary(name: str) -> None:
    """Refuse the name of a summary if it does not begin with a role or has control characters."""
    if name not in {SERVICE, SCHEMA} and role_of(name) is None and not is_logged(name):
        raise Refused(
            f"summary {name[:64]!r} must be 'service' or start with a role such as input., or "
            "with logged."
        )
    check_text("summary", name, MAX_NAME_BYTES)


def check_counts(what: str, counts: Iterable[int]) -> None:
    """Refuse a count below 0 or over `MAX_COUNT`."""
    held = tuple(counts)
    if held and not 0 <= min(held) <= max(held) <= MAX_COUNT:
        raise Refused(f"{what}: a count must be between 0 and {MAX_COUNT}")


def check_kinds(what: str, counts: Mapping[str, int], most: int = MAX_KINDS) -> None:
    """Refuse more than *most* named counts, and names or counts outside their limits."""
    if not counts:
        return
    if len(counts) > most:
        raise Refused(f"{what}: has {len(counts)} names, must have at most {most}")
    for kind in counts:
        check_text(what, kind, MAX_NAME_BYTES)
    check_counts(what, counts.values())


def check_numbers(what: str, *numbers: float) -> None:
    """Refuse a number that is not finite."""
    if not all(map(math.isfinite, numbers)):
        raise Refused(f"{what} must be finite")


def check_histogram(histogram: ExponentialHistogram, limit: int = MAX_BUCKETS) -> None:
    """Refuse buckets with large gaps, because a merge allocates all buckets in the gaps."""
    if not MIN_SCALE <= histogram.scale <= MAX_SCALE:
        raise Refused(f"a histogram's scale must be {MIN_SCALE} to {MAX_SCALE}")
    scaled = SPAN_OF_FLOAT64 * 2.0**histogram.scale + 2
    for side in (histogram.positive, histogram.negative):
        if len(side.counts) > limit:
            raise Refused(f"a histogram must have at most {limit} buckets on each side of 0")
        if side.counts and not -scaled <= side.offset <= side.offset + len(side.counts) <= scaled:
            raise Refused("a histogram's buckets must be within the range of float64")
    check_counts("histogram", (histogram.count,))
    check_counts("histogram", histogram.positive.counts)
    check_counts("histogram", histogram.negative.counts)


def _control_of(text: str) -> str | None:
    """Return the first character of *text* for which `has_control` is true."""
    if text.isprintable():  # then no character is a control character
        return None
    return next((one for one in text if unicodedata.category(one) in {"Cc", "Cs"}), None)


def _odd_of(text: str) -> str | None:
    """Return the first character of *text* that people may not write."""
    if text.isprintable():
        return None
    reordering = (one for one in text if one in _REORDERING)
    return _control_of(text) or next(reordering, None)


def _refusal(character: str) -> str:
    kind = "bidirectional controls" if character in _REORDERING else "control characters"
    return f"must not contain {kind}, and has U+{ord(character):04X}"


def _first_in(value: object, place: str, refused_of: Callable[[str], str | None]) -> Control | None:
    """Return the first character in the texts and keys of the JSON value that *refused_of* returns."""
    if isinstance(value, str):
        character = refused_of(value)
        return None if character is None else Control(place, character)
    found: Iterable[Control | None] = ()
    if isinstance(value, dict):
        of_keys = next((one for one in map(refused_of, value) if one is not None), None)
        if of_keys is not None:
            return Control(place, of_keys)
        found = (_first_in(item, f"{place}.{key}", refused_of) for key, item in value.items())
    elif isinstance(value, list):
        found = (_first_in(item, f"{place}[{at}]", refused_of) for at, item in enumerate(value))
    return next((one for one in found if one is not None), None)
