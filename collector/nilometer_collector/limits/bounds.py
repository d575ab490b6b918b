"""Bounds of names, texts, counts and histograms, in whatever is stored."""

import math
import unicodedata
from collections.abc import Iterable, Mapping

from nilometer.sketch.exponential import MAX_BUCKETS, MAX_SCALE, MIN_SCALE, ExponentialHistogram
from nilometer.values.entity import SCHEMA, SERVICE, role_of
from nilometer_collector.errors import Refused

MAX_COUNT = 1 << 48  # of observations in one sample: sums over ten thousand stay int64
MAX_NAME_BYTES = 256  # of a summary
MAX_NAME_CHARACTERS = 256  # of a text that a reader of the API writes
MAX_KINDS = 64  # outcomes, reasons, types: closed sets of ours, with room for newer agents
LAST_NS = 1 << 62  # year 2116; window bounds fit int64 with room to add
SPAN_OF_FLOAT64 = 1100  # binary orders of magnitude on each side of 1
PRINTABLE = r"[^\u0000-\u001f\u007f-\u009f]"  # what `has_control` takes, as JSON Schema writes it
NO_CONTROL = f"^{PRINTABLE}*$"


def has_control(text: str) -> bool:
    """Return whether *text* holds a control character, such as NUL, or a lone surrogate."""
    return any(unicodedata.category(character) in {"Cc", "Cs"} for character in text)


def check_text(key: str, text: str, most_bytes: int) -> None:
    """Refuse a text of more than *most_bytes*, or with a control character."""
    if len(text.encode("utf-8", "replace")) > most_bytes:
        raise Refused(f"{key} is over {most_bytes} bytes")
    if has_control(text):
        raise Refused(f"{key} {text[:64]!r} holds a control character")


def check_characters(key: str, text: str, most: int) -> None:
    """Refuse a text of more than *most* characters, or with a control character."""
    if len(text) > most:
        raise Refused(f"{key} is over {most} characters")
    check_text(key, text, 4 * most)


def check_summary(name: str) -> None:
    """Refuse the name of a summary that begins with no role, or that cannot be shown."""
    if name not in {SERVICE, SCHEMA} and role_of(name) is None:
        raise Refused(
            f"summary {name[:64]!r} must be 'service' or start with a role such as input."
        )
    check_text("summary", name, MAX_NAME_BYTES)


def check_counts(what: str, counts: Iterable[int]) -> None:
    """Refuse a count below 0 or over `MAX_COUNT`."""
    if any(not 0 <= count <= MAX_COUNT for count in counts):
        raise Refused(f"{what}: a count is over {MAX_COUNT}")


def check_kinds(what: str, counts: Mapping[str, int], most: int = MAX_KINDS) -> None:
    """Refuse more than *most* counts by name, and names or counts out of bounds."""
    if len(counts) > most:
        raise Refused(f"{what}: {len(counts)} kinds are more than {most}")
    for kind in counts:
        check_text(what, kind, MAX_NAME_BYTES)
    check_counts(what, counts.values())


def check_numbers(what: str, *numbers: float) -> None:
    """Refuse a number that is not finite."""
    if not all(map(math.isfinite, numbers)):
        raise Refused(f"{what} must be finite")


def check_histogram(histogram: ExponentialHistogram, limit: int = MAX_BUCKETS) -> None:
    """Refuse buckets far from each other: merging fills the distance between the outermost."""
    if not MIN_SCALE <= histogram.scale <= MAX_SCALE:
        raise Refused(f"a histogram's scale must be {MIN_SCALE} to {MAX_SCALE}")
    scaled = SPAN_OF_FLOAT64 * 2.0**histogram.scale + 2
    for side in (histogram.positive, histogram.negative):
        if len(side.counts) > limit:
            raise Refused(f"a histogram has at most {limit} buckets a side")
        if side.counts and not -scaled <= side.offset <= side.offset + len(side.counts) <= scaled:
            raise Refused("a histogram's buckets are beyond float64")
    check_counts("histogram", (histogram.count, *histogram.positive.counts))
    check_counts("histogram", histogram.negative.counts)
