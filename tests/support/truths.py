"""Ground truth for tests, and the performance that a join must give."""

from collections.abc import Iterable, Mapping, Sequence

from support.predicted import a_prediction

from nilometer.predictions import PredictionRecord
from nilometer.profile.content import Content
from nilometer.values.clock import NANOSECONDS
from nilometer.values.entity import PERFORMANCE
from nilometer.wire.samples import sample_from_bytes
from nilometer_collector.ground_truth.definition import PerformanceDefinition
from nilometer_collector.ground_truth.judging_rows import Judged, JudgedRow, judged
from nilometer_collector.ground_truth.truths import Outcome, Truth
from nilometer_collector.store import ChunkAnswer, Level, Store, TruthChunk
from nilometer_collector.testing import ENTITY, START_NS

HOUR_NS = 3600 * NANOSECONDS
SOURCE = b"s" * 16
NOW_NS = START_NS + 2 * HOUR_NS

BINARY = PerformanceDefinition(entity=ENTITY, task="binary", score="score", step_seconds=3600)
REGRESSION = PerformanceDefinition(entity=ENTITY, task="regression", predicted="score")


def a_truth(
    prediction_id: str = "id-1",
    value: str = "1",
    *,
    row: int = 0,
    subject: str = "",
    time_ns: int = 0,
    known_ns: int = 0,
) -> Truth:
    """Return one row of ground truth."""
    return Truth(prediction_id, row, subject, time_ns, value, known_ns)


def scored(count: int, *, every_ns: int = 60 * NANOSECONDS) -> list[PredictionRecord]:
    """Return predictions ``id-0`` and on, one every *every_ns*, with different scores."""
    return [
        a_prediction(
            f"id-{at}", time_ns=START_NS + at * every_ns, outputs={"score": (at % 17) / 17}
        )
        for at in range(count)
    ]


def tell(
    store: Store,
    truths: Iterable[Truth],
    number: int = 1,
    *,
    definition: PerformanceDefinition = BINARY,
    source: bytes | None = SOURCE,
    now_ns: int = NOW_NS,
    refused: Mapping[Outcome, int] | None = None,
) -> ChunkAnswer:
    """Join one chunk."""
    chunk = TruthChunk(
        entity=definition.entity,
        source=source,
        number=number,
        position=number * 100,
        rows=tuple(truths),
        refused=refused or {},
    )
    return store.truths.join(chunk, definition, now_ns)


def contents(store: Store, level: Level = Level.SHIPPED) -> dict[tuple[int, str], Content]:
    """Return the stored contents of performance by start of the window and labels."""
    found: dict[tuple[int, str], Content] = {}
    for series in store.samples.series(ENTITY, PERFORMANCE):
        for stretch in store.samples.read([series], 0, 1 << 62, 10_000, level):
            for record in stretch.records():
                sample = sample_from_bytes(record.payload)
                key = (sample.window.start_ns, str(sample.labels))
                assert key not in found, "a window has two samples"
                found[key] = sample.content
    return found


def expected(
    records: Sequence[PredictionRecord],
    values: Mapping[str, str],
    definition: PerformanceDefinition = BINARY,
) -> dict[tuple[int, str], Judged]:
    """Return the performance that predictions with labels by id have, judged at once."""
    windows: dict[tuple[int, str], list[JudgedRow]] = {}
    step_ns = definition.step_ns
    for record in records:
        if record.prediction_id in values:
            key = (record.time_ns - record.time_ns % step_ns, str(record.labels))
            row = JudgedRow(record.outputs, values[record.prediction_id])
            windows.setdefault(key, []).append(row)
    return {key: judged(definition, rows) for key, rows in windows.items()}


def packed(contents_of: Mapping[tuple[int, str], Content]) -> dict[tuple[int, str], bytes]:
    """Return contents as bytes, which are equal for equal contents."""
    from nilometer.profile import Coverage, SummarySample
    from nilometer.values.labels import Labels
    from nilometer.values.window import Window
    from nilometer.wire.samples import sample_to_bytes

    return {
        key: sample_to_bytes(
            SummarySample(
                entity=ENTITY,
                summary=PERFORMANCE,
                labels=Labels(),
                window=Window(0, 1),
                coverage=Coverage(),
                content=content,
            )
        )
        for key, content in contents_of.items()
    }
