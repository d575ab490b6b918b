"""Arguments and results of the store's verbs for ground truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nilometer_collector.ground_truth.lags import Lags
from nilometer_collector.ground_truth.truths import Outcome, Truth
from nilometer_collector.store.shipments import SampleRow

MOST_ROWS = 5000  # most rows in one chunk
MOST_WAITING = 1_000_000  # most rows of an entity that wait for predictions


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthChunk:
    """Some rows of ground truth of one entity, which are joined in one transaction.

    Attributes:
        source: Name of the file or sender, 16 bytes; None for rows of a sender without a name. A
            chunk without a name is not remembered.
        number: Number of the chunk within its source, from 1. A chunk with a name is joined once.
        position: Place in the source after the chunk, which the source understands; 0 without one.
        rows: At most `MOST_ROWS` rows.
        refused: Number of further rows that could not be read, by outcome.
    """

    entity: str
    source: bytes | None
    number: int
    position: int
    rows: Sequence[Truth]
    refused: Mapping[Outcome, int]


@dataclass(frozen=True, slots=True)
class ChunkAnswer:
    """What became of a chunk.

    Attributes:
        counts: Number of its rows by outcome, at the time of the join.
        is_repeated: Whether the chunk had been joined before, so that nothing changed now.
    """

    counts: Mapping[Outcome, int]
    is_repeated: bool


@dataclass(frozen=True, slots=True)
class SourceProgress:
    """How far a source has been joined.

    Attributes:
        chunks: Number of its newest chunk; 0 without one.
        position: Place in the source after that chunk.
        counts: Number of its rows by outcome.
    """

    chunks: int
    position: int
    counts: Mapping[Outcome, int]


class WindowKey(NamedTuple):
    """The identity of a window of judged predictions of an entity.

    Attributes:
        labels: Label set as canonical text.
    """

    start_ns: int
    end_ns: int
    labels: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedWindow:
    """A window of judged predictions.

    Attributes:
        id: Number of the window, > 0.
        definition: Digest of the definition that judged it; empty if its content is not readable.
        labelled: Number of predictions with ground truth.
        lags: Number of labels by lag.
        payload: Sample as encoded bytes; empty without labels.
        series: Id of the sample's series; 0 without a sample.
        received_ns: Time of arrival of the sample.
    """

    id: int
    key: WindowKey
    definition: str
    labelled: int
    lags: Lags
    payload: bytes
    series: int
    received_ns: int


@dataclass(frozen=True, slots=True)
class RevisedWindow:
    """A window whose sample is replaced.

    Attributes:
        before: Window as stored.
        before_row: Its stored sample; None without one.
        after: Window to store; `series` and `received_ns` are those of the store.
        row: Its new sample.
    """

    before: JudgedWindow
    before_row: SampleRow | None
    after: JudgedWindow
    row: SampleRow


@dataclass(frozen=True, slots=True)
class TruthTotals:
    """What became of all ground truth of an entity.

    Attributes:
        counts: Number of rows by outcome, without rows that wait.
        waiting: Number of rows that wait for predictions now.
        oldest_ns: Arrival of the oldest waiting row; None without one.
    """

    counts: Mapping[Outcome, int]
    waiting: int
    oldest_ns: int | None
