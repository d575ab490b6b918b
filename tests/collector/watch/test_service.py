"""Tokens and streams of a language model's server are judged from the samples of `service`."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.language_model import LanguageModel
from support.shipping import a_sample_row, ship

from nilometer.alert.calibrated.service import service_column, service_vector
from nilometer.profile import Coverage, ServiceProfile, SummarySample
from nilometer.testing import SteppedClock
from nilometer.values.entity import FIRST_TOKEN, PER_TOKEN, SERVICE, STREAM_ENDS
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer_collector.alerting.watch_report import WatchReport
from nilometer_collector.store import Arrival, PartRecord, Store, open_store
from nilometer_collector.testing import ENTITY
from nilometer_collector.watch.watch import Watch

HOUR_NS = 3600 * 1_000_000_000
MONDAY_NS = 1_750_636_800 * 1_000_000_000  # 2025-06-23, midnight of UTC
STREAMS = 300  # a window
USUAL = LanguageModel()


class Served:
    """A language model's server, whose agent sends windows of one hour.

    Args:
        store: Store of the collector.
        late_ns: Time from the end of a window to its shipment.

    Attributes:
        start_ns: Start of the next window.
    """

    def __init__(self, store: Store, late_ns: int = 0) -> None:
        self.store = store
        self.late_ns = late_ns
        self.start_ns = MONDAY_NS
        self.clock = SteppedClock(wall_ns=MONDAY_NS + late_ns)
        self.watch = Watch(store, self.clock, (), lambda: None)
        self._sequence = 0

    def run(self, hours: int, model: LanguageModel = USUAL) -> None:
        """Send *hours* windows and judge them."""
        for _ in range(hours):
            rng = np.random.default_rng([11, self._sequence])
            window = Window(self.start_ns, self.start_ns + HOUR_NS)
            self.start_ns = window.end_ns
            sample = SummarySample(
                entity=ENTITY,
                summary=SERVICE,
                labels=Labels(),
                window=window,
                coverage=Coverage(profiled=STREAMS),
                content=model.served(STREAMS, rng),
            )
            self._sequence += 1
            self.clock.wall_ns = window.end_ns + self.late_ns
            arrival = Arrival(sequence=self._sequence, content=a_sample_row(sample))
            ship(self.store, [arrival], now_ns=self.clock.now_ns())
        self.watch.advance()

    @property
    def parts(self) -> dict[str, PartRecord]:
        """The parts of all episodes, by summary."""
        episodes = self.store.alerts.episodes()
        return {part.summary: part for episode in episodes for part in episode.parts}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A server that has been watched for a day and a half."""
    store = open_store(tmp_path / "state" / "collector.db", "slack")
    try:
        found = Served(store)
        found.run(37)
        yield found
    finally:
        store.close()


def test_tokens_and_streams_are_watched_and_quiet(served: Served) -> None:
    ((_, content),) = served.store.watching.reports(ENTITY)
    watched = {one.summary for one in WatchReport.from_bytes(content).summaries}
    assert watched == {SERVICE, FIRST_TOKEN, PER_TOKEN, STREAM_ENDS}
    served.run(12)
    assert served.parts == {}


def test_a_slower_first_token_is_told_in_seconds(served: Served) -> None:
    served.run(5, LanguageModel(first_token=1.3))
    parts = served.parts
    assert FIRST_TOKEN in parts
    assert not parts.keys() & {PER_TOKEN, STREAM_ENDS}
    text = parts[FIRST_TOKEN].evidence
    _, _, medians = text.partition("; the median time to the first token was ")
    before, since = medians.removesuffix(" s since").split(" ms in the day before, and is ")
    assert float(before) == pytest.approx(400, rel=0.05)
    assert float(since) == pytest.approx(1.3, rel=0.05)


def test_more_broken_streams_are_told_as_a_share(served: Served) -> None:
    served.run(5, LanguageModel(cut=0.2))
    (part,) = served.parts.values()
    assert (part.summary, part.component) == (STREAM_ENDS, "= cut")
    assert (
        "the share of streams without their end marker of service.stream_ends is" in part.evidence
    )
    assert "(usual 1." in part.evidence


def test_fewer_broken_streams_are_an_improvement(served: Served) -> None:
    served.run(8, LanguageModel(cut=0.0))
    assert served.parts == {}


def test_times_of_a_replay_are_not_judged_and_failures_are(tmp_path: Path) -> None:
    store = open_store(tmp_path / "state" / "collector.db", "slack")
    try:
        replay = Served(store, late_ns=30 * 24 * HOUR_NS)
        replay.run(37)
        ((_, content),) = store.watching.reports(ENTITY)
        reports = {one.summary: one for one in WatchReport.from_bytes(content).summaries}
        assert reports.keys() == {SERVICE, STREAM_ENDS}
        assert "latencies are those of a replay" in reports[SERVICE].sentence
        replay.run(5, LanguageModel(first_token=4.0, cut=0.2))
        assert replay.parts.keys() == {STREAM_ENDS}
    finally:
        store.close()


def test_after_a_replay_the_times_of_live_traffic_are_learned(tmp_path: Path) -> None:
    store = open_store(tmp_path / "state" / "collector.db", "slack")
    try:
        served = Served(store, late_ns=30 * 24 * HOUR_NS)
        served.run(25, LanguageModel(first_token=0.001, per_token=0.0001))
        served.late_ns, served.start_ns = 0, served.start_ns + 30 * 24 * HOUR_NS
        served.run(25)
        served.run(25)
        assert served.parts == {}
        served.run(5, LanguageModel(first_token=1.3))
        assert FIRST_TOKEN in served.parts
    finally:
        store.close()


def test_a_service_without_streams_has_only_the_column_of_its_requests() -> None:
    plain = ServiceProfile.of(
        outcomes={"ok": 500},
        statuses={},
        latencies=[0.01] * 500,
        request_sizes=[],
        response_sizes=[],
    )
    assert service_column(SERVICE, plain) is not None
    for summary in (FIRST_TOKEN, PER_TOKEN, STREAM_ENDS):
        assert service_column(summary, plain) is None


def test_counts_of_parts_add_up_to_those_of_the_whole() -> None:
    rng = np.random.default_rng(3)
    one, other = (USUAL.served(200, rng) for _ in range(2))
    whole = one.merge(other)
    for summary in (SERVICE, FIRST_TOKEN, PER_TOKEN, STREAM_ENDS):
        column = service_column(summary, whole)
        assert column is not None
        added = service_vector(column, one) + service_vector(column, other)
        assert added.tolist() == service_vector(column, whole).tolist()
        assert len(added) == column.width
