"""Converts rows to records of the store; both databases select their columns in this order."""

from collections.abc import Iterable, Sequence
from typing import Any

from nilometer.wire.alerts import stored_alerter_from_bytes
from nilometer_collector.store import label_text
from nilometer_collector.store.records import (
    EpisodeRecord,
    PartRecord,
    ReferenceRecord,
    SeriesRecord,
    TransitionRecord,
)


def series_of(row: Sequence[Any]) -> SeriesRecord:
    """Return the series in *row*."""
    return SeriesRecord(
        id=row[0],
        entity=row[1],
        summary=row[2],
        labels=label_text.from_text(row[3]),
        seen=row[4],
        numbers=row[5],
        categories=row[6],
        samples=row[7],
        first_start_ns=row[8],
        last_end_ns=row[9],
        longest_window_ns=row[10],
        last_window_ns=row[11],
        last_received_ns=row[12],
    )


def reference_of(row: Sequence[Any]) -> ReferenceRecord:
    """Return the version of a reference in *row*."""
    return ReferenceRecord(
        id=row[0],
        entity=row[1],
        name=row[2],
        digest=row[3],
        created_ns=row[4],
        rows=row[5],
        source=row[6],
        current=bool(row[7]),
    )


def episode_of(
    row: Sequence[Any], history: Iterable[TransitionRecord], parts: Iterable[PartRecord]
) -> EpisodeRecord:
    """Return the episode in *row*, with its *history* and *parts*, oldest first."""
    return EpisodeRecord(
        id=row[0],
        summary=row[1],
        labels=label_text.from_text(row[2]),
        alerter=stored_alerter_from_bytes(row[3]),
        opened_ns=row[4],
        closed_ns=row[5],
        worst=row[6],
        reference_digest=row[7],
        evidence=row[8],
        since_ns=row[9],
        history=tuple(history),
        parts=tuple(parts),
    )


def part_of(row: Sequence[Any]) -> PartRecord:
    """Return the part of an episode in *row*."""
    return PartRecord(
        summary=row[0],
        labels=label_text.from_text(row[1]),
        component=row[2],
        direction=row[3],
        onset_ns=row[4],
        opened_ns=row[5],
        closed_ns=row[6],
        effect=row[7],
        bound=row[8],
        tolerance=row[9],
        unit=row[10],
        severity=row[11],
        evidence=row[12],
    )


def transition_of(row: Sequence[Any]) -> TransitionRecord:
    """Return the opening or closing in *row*."""
    return TransitionRecord(
        status=row[0],
        at_ns=row[1],
        window_start_ns=row[2],
        recorded_ns=row[3],
        value=row[4],
        evidence=row[5],
        reference_digest=row[6],
        alerter=stored_alerter_from_bytes(row[7]),
    )
