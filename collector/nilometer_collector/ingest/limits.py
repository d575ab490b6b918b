"""What a row, a reference or a rule must be before it is stored.

Whatever passes here can be merged with every other row of its series and shown: nothing that is
read later can fail, allocate without bound, or overflow an integer.
"""

import math
import unicodedata
from collections.abc import Iterable, Mapping
from itertools import pairwise

import numpy as np

from nilometer.alert import Alerter, Evaluation
from nilometer.profile import (
    Coverage,
    DictionaryCounts,
    FeatureProfile,
    Reference,
    ScoreProfile,
    ServiceProfile,
    SummarySample,
)
from nilometer.profile.category import DICTIONARY_NAMES
from nilometer.profile.service import LIMIT
from nilometer.sketch.distinct import DEFAULT_PRECISION
from nilometer.sketch.frequent import DEFAULT_CAPACITY, Frequent
from nilometer.sketch.histogram import MAX_BUCKETS, MAX_SCALE, MIN_SCALE, ExponentialHistogram
from nilometer.sketch.tdigest import DEFAULT_COMPRESSION
from nilometer.values.entity import SCHEMA, SCORES_SUFFIX, SERVICE, entity_name, role_of
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer_collector.errors import Refused

MAX_ROW_BYTES = 256 << 10  # a sample is 1 to 8 KiB
MAX_COUNT = 1 << 48  # of observations in one sample: sums over ten thousand stay int64
MAX_NAME_BYTES = 256  # of a summary
MAX_CATEGORY_BYTES = 256
MAX_RULE_CHARACTERS = 128  # of an alerter's name
MAX_EVIDENCE_CHARACTERS = 1000
MAX_LABELS = 32
MAX_KINDS = 64  # outcomes, reasons, types: closed sets of ours, with room for newer agents
MAX_STATUSES = 600
MAX_EDGES = 63
MAX_COLUMNS = 4096  # of a reference
MAX_WINDOW_NS = 400 * 86_400 * 10**9
LAST_NS = 1 << 62  # year 2116; window bounds fit int64 with room to add
SPAN_OF_FLOAT64 = 1100  # binary orders of magnitude on each side of 1
MAX_WINDOWS_IN_A_ROW = 10_000


def check_sample(sample: SummarySample) -> None:
    """Refuse *sample* if it cannot be stored and merged.

    Raises:
        Refused: With the reason.
        ConfigError: If the entity's name is not allowed.
    """
    entity_name(sample.entity)
    check_summary(sample.summary)
    check_labels(sample.labels)
    check_window(sample.window)
    _check_coverage(sample.coverage)
    if (sample.summary == SERVICE) != isinstance(sample.content, ServiceProfile):
        raise Refused(f"{sample.summary} has the content of another kind of summary")
    if sample.summary.endswith(SCORES_SUFFIX) != isinstance(sample.content, ScoreProfile):
        raise Refused(f"{sample.summary} has the content of another kind of summary")
    if isinstance(sample.content, FeatureProfile):
        _check_feature(sample.content)
    elif isinstance(sample.content, ScoreProfile):
        _check_scores(sample.content)
    else:
        _check_service(sample.content)


def check_evaluation(evaluation: Evaluation) -> None:
    """Refuse *evaluation* if it cannot be kept.

    Raises:
        Refused: With the reason.
        ConfigError: If the entity's name is not allowed.
    """
    check_alerter(evaluation.alerter)
    check_summary(evaluation.summary)
    check_labels(evaluation.labels)
    check_window(evaluation.window)
    _check_numbers("value", evaluation.value)
    _check_text("reference_digest", evaluation.reference_digest, MAX_NAME_BYTES)


def check_alerter(alerter: Alerter) -> None:
    """Refuse *alerter* if a text or number of it is out of bounds.

    Raises:
        Refused: With the reason.
        ConfigError: If the entity's name is not allowed.
    """
    entity_name(alerter.entity)
    _check_text("name", alerter.name, MAX_RULE_CHARACTERS)
    _check_text("summary", alerter.summary, MAX_NAME_BYTES)
    for key, value in alerter.condition.fields().items():
        if isinstance(value, str):
            _check_text(key, value, MAX_NAME_BYTES)
    if alerter.minimum_count > MAX_COUNT:
        raise Refused(f"minimum_count = {alerter.minimum_count}: must be at most {MAX_COUNT}")
    for key in ("windows_to_open", "windows_to_close"):
        if getattr(alerter, key) > MAX_WINDOWS_IN_A_ROW:
            value = getattr(alerter, key)
            raise Refused(f"{key} = {value}: must be at most {MAX_WINDOWS_IN_A_ROW}")


def check_reference(reference: Reference) -> None:
    """Refuse *reference* if it cannot be compared with.

    Raises:
        Refused: With the reason.
        ConfigError: If a name is not allowed.
    """
    entity_name(reference.entity)
    if not reference.name:
        raise Refused("a reference must have a name")
    _check_text("name", reference.name, MAX_RULE_CHARACTERS)
    _check_text("source", reference.source, 4 * MAX_NAME_BYTES)
    if not 0 <= reference.created_ns < LAST_NS or reference.rows > MAX_COUNT:
        raise Refused("created_unix_nano or rows is out of range")
    if len(reference.columns) > MAX_COLUMNS:
        raise Refused(f"a reference has at most {MAX_COLUMNS} columns")
    for summary, column in reference.columns.items():
        check_summary(summary)
        edges = column.edges
        if len(edges) > MAX_EDGES or not all(map(math.isfinite, edges)):
            raise Refused(f"{summary}: edges must be at most {MAX_EDGES} finite numbers")
        if any(low >= high for low, high in pairwise(edges)):
            raise Refused(f"{summary}: edges must ascend")
        _check_feature(column.feature)


def check_summary(name: str) -> None:
    """Refuse a summary's name that no role starts, or that is not fit to be shown."""
    if name not in {SERVICE, SCHEMA} and role_of(name) is None:
        raise Refused(
            f"summary {name[:64]!r} must be 'service' or start with a role such as input."
        )
    _check_text("summary", name, MAX_NAME_BYTES)


def check_labels(labels: Labels) -> None:
    """Refuse too many labels, and values that are not fit to be shown."""
    if len(labels) > MAX_LABELS:
        raise Refused(f"{len(labels)} labels are more than {MAX_LABELS}")
    for key, value in labels:
        _check_text(f"label {key}", value, MAX_NAME_BYTES)


def check_window(window: Window) -> None:
    """Refuse a window outside the times that are stored, or of more than a year."""
    if not 0 <= window.start_ns < window.end_ns <= LAST_NS:
        raise Refused("the window is out of range")
    if window.end_ns - window.start_ns > MAX_WINDOW_NS:
        raise Refused("the window is longer than 400 days")


def has_control(text: str) -> bool:
    """Whether *text* holds a control character, NUL among them, or half a character."""
    return any(unicodedata.category(character) in {"Cc", "Cs"} for character in text)


def _check_text(key: str, text: str, most_bytes: int) -> None:
    if len(text.encode("utf-8", "replace")) > most_bytes:
        raise Refused(f"{key} is over {most_bytes} bytes")
    if has_control(text):
        raise Refused(f"{key} {text[:64]!r} holds a control character")


def _check_counts(what: str, counts: Iterable[int]) -> None:
    if any(not 0 <= count <= MAX_COUNT for count in counts):
        raise Refused(f"{what}: a count is over {MAX_COUNT}")


def _check_kinds(what: str, counts: Mapping[str, int], most: int = MAX_KINDS) -> None:
    if len(counts) > most:
        raise Refused(f"{what}: {len(counts)} kinds are more than {most}")
    for kind in counts:
        _check_text(what, kind, MAX_NAME_BYTES)
    _check_counts(what, counts.values())


def _check_numbers(what: str, *numbers: float) -> None:
    if not all(map(math.isfinite, numbers)):
        raise Refused(f"{what} must be finite")


def _check_coverage(coverage: Coverage) -> None:
    _check_kinds("dropped", coverage.dropped)
    _check_kinds("undecodable", coverage.undecodable)
    _check_counts("coverage", (coverage.seen, coverage.profiled, coverage.sampled_out))


def _check_feature(feature: FeatureProfile) -> None:
    _check_counts("feature", (feature.missing, feature.non_finite, feature.cells))
    _check_kinds("types", feature.types)
    moments, digest = feature.numbers.moments, feature.numbers.digest
    _check_counts("moments", (moments.count, digest.count))
    _check_numbers("the mean", moments.mean)
    histogram = feature.numbers.histogram
    if not moments.count == digest.count == (histogram.count if histogram else digest.count):
        raise Refused("moments, t-digest and histogram count differently")
    if histogram is not None:
        _check_histogram(histogram)
    if digest.compression != DEFAULT_COMPRESSION:
        raise Refused(f"a t-digest must have compression {DEFAULT_COMPRESSION:g}")
    means, weights, _ = digest.centroids()
    if weights.size and not (
        np.isfinite(means).all() and (np.diff(means) >= 0).all() and (weights >= 1).all()
    ):
        raise Refused("the centroids of a t-digest must be finite, ascending and not empty")
    if feature.numbers.binned is not None:
        _check_counts("binned", feature.numbers.binned.counts)
        if feature.numbers.binned.count != moments.count:
            raise Refused("the counts on edges are not those of the numbers")
    if feature.categories.dictionary is not None:
        _check_dictionary_counts(feature.categories.dictionary)
    _check_frequent(feature.categories.frequent)
    if feature.distinct is not None and feature.distinct.precision != DEFAULT_PRECISION:
        raise Refused(f"a distinct count must have precision {DEFAULT_PRECISION}")


def _check_frequent(categories: Frequent) -> None:
    _check_counts("categories", (categories.total, *categories.counts.values()))
    _check_counts("categories", categories.errors.values())
    if categories.capacity != DEFAULT_CAPACITY or len(categories.counts) > DEFAULT_CAPACITY:
        raise Refused(f"heavy hitters must have capacity {DEFAULT_CAPACITY}")
    if any(
        len(value.encode("utf-8", "replace")) > MAX_CATEGORY_BYTES for value in categories.counts
    ):
        raise Refused(f"a category's name is over {MAX_CATEGORY_BYTES} bytes")


def _check_dictionary_counts(counts: DictionaryCounts) -> None:
    _check_counts("dictionary", (*counts.counts, counts.other, counts.unseen))
    if len(counts.counts) > DICTIONARY_NAMES or len(counts.id) > MAX_NAME_BYTES:
        raise Refused(f"a dictionary has at most {DICTIONARY_NAMES} names")


def _check_scores(scores: ScoreProfile) -> None:
    _check_counts("scores", (scores.count, scores.outside, scores.not_a_number))
    for predicted, truth in scores.classes:
        _check_text("scores", predicted, MAX_NAME_BYTES)
        _check_text("scores", truth, MAX_NAME_BYTES)
    _check_numbers("the mean score", scores.score.mean)


def _check_service(service: ServiceProfile) -> None:
    _check_kinds("outcomes", service.outcomes)
    _check_kinds("statuses", service.statuses, MAX_STATUSES)
    _check_numbers("latency_sum_seconds", service.latency_sum)
    _check_counts("service", (service.count,))
    _check_kinds("stream_ends", service.streams.ends)
    _check_counts("streams", (service.in_flight_max, service.streams.chunks))
    _check_numbers("stream sums", service.streams.first_byte_sum, service.streams.chunk_gap_sum)
    for histogram in (
        service.latency,
        service.request_bytes,
        service.response_bytes,
        service.streams.first_byte,
        service.streams.chunk_gap,
    ):
        _check_histogram(histogram, LIMIT)


def _check_histogram(histogram: ExponentialHistogram, limit: int = MAX_BUCKETS) -> None:
    """Buckets near each other: merging fills the distance between the outermost."""
    if not MIN_SCALE <= histogram.scale <= MAX_SCALE:
        raise Refused(f"a histogram's scale must be {MIN_SCALE} to {MAX_SCALE}")
    scaled = SPAN_OF_FLOAT64 * 2.0**histogram.scale + 2
    for side in (histogram.positive, histogram.negative):
        if len(side.counts) > limit:
            raise Refused(f"a histogram has at most {limit} buckets a side")
        if side.counts and not -scaled <= side.offset <= side.offset + len(side.counts) <= scaled:
            raise Refused("a histogram's buckets are beyond float64")
    _check_counts("histogram", (histogram.count, *histogram.positive.counts))
    _check_counts("histogram", histogram.negative.counts)
