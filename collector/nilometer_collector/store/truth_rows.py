"""What both databases store of ground truth, as columns."""

import hashlib
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from nilometer_collector.ground_truth.lags import Lags
from nilometer_collector.ground_truth.truths import (
    KnownTruth,
    Outcome,
    PredictionKey,
    ToldTruth,
    Truth,
)
from nilometer_collector.store.checksum import intact
from nilometer_collector.store.predicting import key_of
from nilometer_collector.store.truth_records import (
    JudgedWindow,
    SourceProgress,
    TruthTotals,
    WindowKey,
)

LabelRow: TypeAlias = tuple[int, str, int, int, str, int, int, int]
WaitingRow: TypeAlias = tuple[str, int, str, int, str, int, int, int, int]

JOINED = "nilometer-ground-truth"  # sender of the samples of judged predictions
_COUNTS = msgspec.json.Decoder(dict[str, int])
_LAGS = msgspec.json.Decoder(dict[int, int])


def epoch_of(entity: str) -> bytes:
    """Return the epoch of the samples of an entity, so that joins of entities do not meet."""
    return hashlib.sha256(entity.encode()).digest()[:16]


def source_number(source: bytes | None) -> int:
    """Return the number of a source in rows of ground truth; a random one without a name."""
    named = secrets.token_bytes(8) if source is None else source[:8]
    return int.from_bytes(named, "big", signed=True)


def counts_text(counts: Mapping[Outcome, int]) -> str:
    """Return counts by outcome as JSON."""
    named = {outcome.value: rows for outcome, rows in counts.items() if rows}
    return msgspec.json.encode(named).decode()


def counts_of(text: str) -> Counter[Outcome]:
    """Return the counts in a text of `counts_text`."""
    return Counter({Outcome(name): rows for name, rows in _COUNTS.decode(text).items()})


def lags_text(lags: Lags) -> str:
    """Return counts by lag as JSON."""
    return msgspec.json.encode(lags).decode()


def label_row(entity: str, key: PredictionKey, known: KnownTruth) -> LabelRow:
    """Return the columns of a label: hash, name, row, time, value, known, source and window."""
    return (
        *(key_of(entity, key.name), key.name, key.row, key.time_ns),
        *(known.value, known.known_ns, known.source, known.window),
    )


def waiting_row(told: ToldTruth, due_ns: int) -> WaitingRow:
    """Return the columns of a row that waits: those of `waiting_of`, and when to look again."""
    truth = told.truth
    return (
        *(truth.prediction_id, truth.row, truth.subject, truth.time_ns, truth.value),
        *(truth.known_ns, told.source, told.arrived_ns, due_ns),
    )


def known_of(rows: Iterable[Sequence[Any]]) -> dict[PredictionKey, KnownTruth]:
    """Return labels; a row has name, row, time, value, known, source and window."""
    return {PredictionKey(*row[:3]): KnownTruth(*row[3:]) for row in rows}


def waiting_of(row: Sequence[Any]) -> ToldTruth:
    """Return the row that waits; it has name, row, subject, time, value, known, source, arrival."""
    return ToldTruth(Truth(*row[:6]), row[6], row[7])


def window_of(row: Sequence[Any]) -> JudgedWindow:
    """Return the window in *row*: id, bounds, labels, definition, labels, lags, sample."""
    identity, start_ns, end_ns, labels, definition, labelled, lags, payload, crc, *rest = row
    series, received_ns = rest
    is_readable = not payload or intact("judged_windows", identity, payload, crc)
    return JudgedWindow(
        id=identity,
        key=WindowKey(start_ns, end_ns, labels),
        definition=definition if is_readable else "",
        labelled=labelled,
        lags=_LAGS.decode(lags),
        payload=payload if is_readable else b"",
        series=series,
        received_ns=received_ns,
    )


def totals_of(rows: Iterable[tuple[str, int]], oldest_ns: int | None) -> TruthTotals:
    """Return totals; a row has outcome and number, and `oldest_ns` is the oldest arrival that waits."""
    counts = {Outcome(name): count for name, count in rows}
    waiting = counts.pop(Outcome.WAITING, 0)
    return TruthTotals(counts, waiting, oldest_ns)


def progress_of(rows: Iterable[Sequence[Any]]) -> SourceProgress:
    """Return the progress of a source, whose chunks have number, position and counts, in order."""
    chunks = [(number, position, counts_of(text)) for number, position, text in rows]
    number, position, _ = chunks[-1] if chunks else (0, 0, None)
    return SourceProgress(number, position, sum((counts for *_, counts in chunks), Counter()))
