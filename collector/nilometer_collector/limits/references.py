"""Checks of a reference before it is stored."""

import math
from itertools import pairwise

from nilometer.profile import Reference
from nilometer.profile.reference import LEARNED
from nilometer.values.clock import NANOSECONDS
from nilometer.values.entity import entity_name
from nilometer_collector.errors import Refused
from nilometer_collector.limits.bounds import (
    LAST_NS,
    MAX_COUNT,
    MAX_NAME_BYTES,
    check_counts,
    check_plain,
    check_summary,
    check_text,
)
from nilometer_collector.limits.feature import check_feature

MAX_REFERENCE_NAME_BYTES = 128
MAX_SOURCE_BYTES = 4 * MAX_NAME_BYTES
MAX_EDGES = 63
MAX_COLUMNS = 4096


def upload_expiry(expires_unix_nano: int) -> int | None:
    """Return the expiry of an upload in Unix nanoseconds, to the second; None if it has none.

    Raises:
        Refused: If the time cannot be stored.
    """
    if not expires_unix_nano:
        return None
    if not NANOSECONDS <= expires_unix_nano <= LAST_NS:
        raise Refused(f"expires_unix_nano must be {NANOSECONDS} to {LAST_NS}, or 0 for none")
    return expires_unix_nano // NANOSECONDS * NANOSECONDS


def check_reference(reference: Reference) -> None:
    """Refuse *reference* if samples could not be compared with it.

    Raises:
        Refused: If a value exceeds a limit; the message gives the reason.
        ConfigError: If a name is not allowed.
    """
    entity_name(reference.entity)
    if not reference.name:
        raise Refused("a reference must have a name")
    if reference.name == LEARNED:
        raise Refused(f"name {LEARNED!r} is reserved for the reference that the collector learns")
    for key, text, most in (
        ("name", reference.name, MAX_REFERENCE_NAME_BYTES),
        ("source", reference.source, MAX_SOURCE_BYTES),
    ):
        check_text(key, text, most)
        check_plain(key, text)
    if not 0 <= reference.created_ns < LAST_NS or reference.rows > MAX_COUNT:
        raise Refused("created_unix_nano or rows is out of bounds")
    if len(reference.columns) > MAX_COLUMNS:
        raise Refused(f"a reference must have at most {MAX_COLUMNS} columns")
    for summary, column in reference.columns.items():
        check_summary(summary)
        edges = column.edges
        if len(edges) > MAX_EDGES or not all(map(math.isfinite, edges)):
            raise Refused(f"{summary}: edges must be at most {MAX_EDGES} finite numbers")
        if any(low >= high for low, high in pairwise(edges)):
            raise Refused(f"{summary}: edges must be strictly ascending")
        check_counts(summary, (column.singletons, column.surplus))
        check_feature(column.feature)
