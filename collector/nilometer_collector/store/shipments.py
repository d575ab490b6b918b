"""Rows of agents and of users as the store takes them, and its answer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self, TypeAlias

from nilometer.alert import Evaluation
from nilometer.predictions import PredictionRecord
from nilometer.profile import SummarySample
from nilometer.values.entity import is_logged
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer_collector.errors import Conflict
from nilometer_collector.store.logged_types import Key, LoggedType, type_of
from nilometer_collector.store.prediction_records import NOTHING_PREDICTED, Predicted
from nilometer_collector.store.sequences import Sequences


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRow:
    """A checked sample as encoded bytes, and what the store keeps beside them.

    Attributes:
        seen: Number of observations, profiled or not.
        numbers: Number of finite numbers.
        categories: Number of strings and booleans.
        observations: Number of profiled observations.
        payload: The sample as encoded bytes.
        logged: Type of the sample if a user logs it; else None.
    """

    entity: str
    summary: str
    labels: Labels
    window: Window
    seen: int
    numbers: int
    categories: int
    observations: int
    payload: bytes
    logged: LoggedType | None

    @classmethod
    def of(cls, sample: SummarySample, payload: bytes) -> Self:
        """Return the row of *sample*, whose encoded bytes are *payload*; it holds no content."""
        numbers, categories = sample.content.type_counts
        return cls(
            entity=sample.entity,
            summary=sample.summary,
            labels=sample.labels,
            window=sample.window,
            seen=sample.coverage.seen,
            numbers=numbers,
            categories=categories,
            observations=sample.content.count,
            payload=payload,
            logged=type_of(sample.content) if is_logged(sample.summary) else None,
        )


@dataclass(frozen=True, slots=True)
class PredictionRows:
    """Checked records of one batch of logged predictions."""

    records: Sequence[PredictionRecord]


RowContent: TypeAlias = SampleRow | Evaluation | PredictionRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One checked row of an agent's outbox."""

    sequence: int  # 1 .. 2**63 - 1
    content: RowContent


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """The rows of one Ship call.

    Attributes:
        agent: Stable name of the agent.
        epoch: Random id of the agent's outbox file, 16 bytes.
        oldest_held: Smallest sequence in the agent's outbox; 0 if unknown.
        arrivals: Rows that passed the checks, in any order.
    """

    agent: str
    epoch: bytes
    oldest_held: int
    arrivals: Sequence[Arrival]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """Result of a Ship call.

    Attributes:
        stored: Number of rows that were stored now.
        repeated: Number of rows that were not stored, because the sender has shipped them before, or
            has said in an earlier call that it no longer holds them.
        notices: Number of queued deliveries.
        settled: Largest sequence that the sender no longer held in an earlier call; 0 without one.
        refused: Contradictions of rows to the types of their summaries, by sequence.
        predicted: Effect on the logged predictions.
    """

    stored: int
    repeated: int
    notices: int
    settled: int = 0
    refused: Mapping[int, Conflict] = field(default_factory=dict)
    predicted: Predicted = NOTHING_PREDICTED


def taken(sequences: Sequences, arrivals: Iterable[Arrival]) -> list[Arrival]:
    """Take the sequences of *arrivals*; return those that are new, in order."""
    ordered = sorted(arrivals, key=lambda arrival: arrival.sequence)
    return [arrival for arrival in ordered if sequences.take(arrival.sequence)]


def logged(arrivals: Iterable[Arrival]) -> list[tuple[int, Key, LoggedType]]:
    """Return the sequence, summary and type of each sample that users log."""
    return [
        (arrival.sequence, (row.entity, row.summary), row.logged)
        for arrival in arrivals
        if isinstance(row := arrival.content, SampleRow) and row.logged is not None
    ]
