"""What a check of late rows counts again."""

from collections.abc import Mapping, Sequence

import pytest
from support.watched_traffic import ROWS, Traffic

from nilometer.alert.calibrated.columns import Floats
from nilometer.alert.calibrated.counting import SummaryColumn
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.packing import unpacked
from nilometer.alert.calibrated.slots import BASE_NS
from nilometer_collector.query.edges import ReferenceEdges
from nilometer_collector.store.levels import Level
from nilometer_collector.testing import ENTITY
from nilometer_collector.watch.late import Looked
from nilometer_collector.watch.memory import Book
from nilometer_collector.watch.reading import Reader


class CountingReader(Reader):
    """A reader that keeps the number of windows whose samples it has decoded."""

    decoded = 0

    def counts(
        self, payloads: Sequence[bytes], columns: Mapping[str, SummaryColumn]
    ) -> dict[PartKey, Floats]:
        """Return the counts of each subject, as the reader does."""
        self.decoded += 1
        return super().counts(payloads, columns)


@pytest.fixture
def reader(traffic: Traffic) -> CountingReader:
    """A reader of the prepared store."""
    edges_of = ReferenceEdges(traffic.store.references).of(ENTITY)
    return CountingReader(traffic.store.samples, edges_of, Level.FIVE_MINUTES)


def test_a_second_check_decodes_only_windows_with_new_samples(
    traffic: Traffic, reader: CountingReader
) -> None:
    record = traffic.store.watching.load(ENTITY)
    assert record is not None
    lead = unpacked(record.baselines, Book).watched[0]
    looked, end_ns = Looked(), traffic.window().start_ns

    def rows(windows: int) -> dict[int, float]:
        series = traffic.store.samples.series(ENTITY, lead.key.summary)
        span = (end_ns - windows * BASE_NS, end_ns)
        return dict(looked.rows(reader, series, lead, span))

    first = rows(20)
    assert set(first.values()) == {float(ROWS)}
    assert (len(first), reader.decoded) == (20, 20)
    assert rows(20) == first
    assert reader.decoded == 20
    traffic.number -= 3
    late_ns = traffic.window().end_ns
    traffic.send()
    assert rows(10) == {end: n for end, n in first.items() if end > end_ns - 10 * BASE_NS} | {
        late_ns: 2.0 * ROWS
    }
    assert reader.decoded == 21
    lead = unpacked(record.baselines, Book).watched[1]  # other bins: nothing of before counts
    rows(10)
    assert reader.decoded == 31
