"""What a row, a reference or a rule must be before it is stored.

Whatever passes here can be merged with every other row of its series and shown: nothing that is
read later can fail, allocate without bound, or overflow an integer.
"""

import math
from itertools import pairwise

from nilometer.alert import Alerter, Evaluation
from nilometer.profile import Coverage, Reference, SummarySample
from nilometer.values.entity import SCHEMA, SERVICE, entity_name, role_of
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer_collector.errors import Refused
from nilometer_collector.limits.bounds import (
    MAX_COUNT,
    MAX_NAME_BYTES,
    check_counts,
    check_kinds,
    check_numbers,
    check_text,
)
from nilometer_collector.limits.contents import check_content
from nilometer_collector.limits.feature import check_feature

MAX_ROW_BYTES = 256 << 10  # a sample is 1 to 8 KiB
MAX_RULE_CHARACTERS = 128  # of an alerter's name
MAX_EVIDENCE_CHARACTERS = 1000
MAX_LABELS = 32
MAX_EDGES = 63
MAX_COLUMNS = 4096  # of a reference
MAX_WINDOW_NS = 400 * 86_400 * 10**9
LAST_NS = 1 << 62  # year 2116; window bounds fit int64 with room to add
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
    check_content(sample)


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
    check_numbers("value", evaluation.value)
    check_text("reference_digest", evaluation.reference_digest, MAX_NAME_BYTES)


def check_alerter(alerter: Alerter) -> None:
    """Refuse *alerter* if a text or number of it is out of bounds.

    Raises:
        Refused: With the reason.
        ConfigError: If the entity's name is not allowed.
    """
    entity_name(alerter.entity)
    check_text("name", alerter.name, MAX_RULE_CHARACTERS)
    check_text("summary", alerter.summary, MAX_NAME_BYTES)
    for key, value in alerter.condition.fields().items():
        if isinstance(value, str):
            check_text(key, value, MAX_NAME_BYTES)
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
    check_text("name", reference.name, MAX_RULE_CHARACTERS)
    check_text("source", reference.source, 4 * MAX_NAME_BYTES)
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
        check_feature(column.feature)


def check_summary(name: str) -> None:
    """Refuse a summary's name that no role starts, or that is not fit to be shown."""
    if name not in {SERVICE, SCHEMA} and role_of(name) is None:
        raise Refused(
            f"summary {name[:64]!r} must be 'service' or start with a role such as input."
        )
    check_text("summary", name, MAX_NAME_BYTES)


def check_labels(labels: Labels) -> None:
    """Refuse too many labels, and values that are not fit to be shown."""
    if len(labels) > MAX_LABELS:
        raise Refused(f"{len(labels)} labels are more than {MAX_LABELS}")
    for key, value in labels:
        check_text(f"label {key}", value, MAX_NAME_BYTES)


def check_window(window: Window) -> None:
    """Refuse a window outside the times that are stored, or of more than a year."""
    if not 0 <= window.start_ns < window.end_ns <= LAST_NS:
        raise Refused("the window is out of range")
    if window.end_ns - window.start_ns > MAX_WINDOW_NS:
        raise Refused("the window is longer than 400 days")


def _check_coverage(coverage: Coverage) -> None:
    check_kinds("dropped", coverage.dropped)
    check_kinds("undecodable", coverage.undecodable)
    check_counts("coverage", (coverage.seen, coverage.profiled, coverage.sampled_out))
