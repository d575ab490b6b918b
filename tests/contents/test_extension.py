"""A content type of another package works everywhere that a built-in type works.

The type counts predictions and those that were right. It is registered for one test at a time.
"""

import dataclasses
import itertools
import logging
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import pytest

from nilometer.alert import STATISTICS, Alerter, Fixed, ThresholdSide, Verdict, evaluate
from nilometer.export.series import Series
from nilometer.kinds import CONTENT_KINDS, LOGGED_KINDS, ContentKind, ContentView, Kinds
from nilometer.profile import CONTENTS, Coverage, DataType, SummarySample, TypeCounts
from nilometer.testing import SteppedClock, eventually, registered
from nilometer.v1 import summary_pb2 as pb
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.contents.extension import MAX_CONTENT_BYTES
from nilometer.wire.contents.registered import CODECS
from nilometer.wire.samples import (
    merged_sample_from_bytes,
    parts_by_summary,
    sample_from_bytes,
    sample_from_wire,
    sample_to_bytes,
    sample_to_wire,
    samples_to_bytes,
)
from nilometer_agent.measure.measured import Measured
from nilometer_agent.server import Agent
from nilometer_agent.settings import AgentSettings
from nilometer_collector.alerting.definitions import alerter_view
from nilometer_collector.contents.view import ratio
from nilometer_collector.server import Collector
from nilometer_collector.settings import CollectorSettings
from nilometer_collector.store import Arrival, SampleRow, Shipment, Store
from nilometer_collector.testing import (
    ENTITY,
    Running,
    feature_sample,
    minute,
    running,
    service_sample,
)

SUMMARY = "output.label.hits"


@dataclass(frozen=True, slots=True)
class Hits:
    """Predictions, and how many of them were right."""

    kind: ClassVar[str] = "hits"

    right: int = 0
    count: int = 0

    @classmethod
    def merge_all(cls, contents: Iterable[Self]) -> Self:
        parts = list(contents)
        return cls(sum(part.right for part in parts), sum(part.count for part in parts))

    @classmethod
    def statistics(cls) -> Mapping[str, Callable[[Self], float | None]]:
        return {
            "count": lambda hits: float(hits.count),
            "hit_ratio": lambda hits: ratio(hits.right, hits.count),
        }

    @property
    def cells(self) -> int:
        return self.count

    @property
    def type_counts(self) -> TypeCounts:
        return TypeCounts(categories=self.count)

    @property
    def data_type(self) -> DataType:
        return self.type_counts.data_type

    def scaled(self, factor: float) -> Self:
        return type(self)(round(self.right * factor), round(self.count * factor))

    def suppressed(self, fewest: int) -> Self:
        return self


class HitsView(ContentView, frozen=True, kw_only=True):
    """How the API shows them."""

    hit_ratio: float | None


def to_bytes(hits: Hits) -> bytes:
    return struct.pack("<qq", hits.right, hits.count)


def from_bytes(packed: bytes) -> Hits:
    try:
        return Hits(*struct.unpack("<qq", packed))
    except struct.error as error:
        raise ValueError("not hits") from error


def check(hits: Hits) -> None:
    if not 0 <= hits.right <= hits.count:
        raise ValueError("more hits than predictions")


def view(hits: Hits) -> HitsView:
    return HitsView(hit_ratio=ratio(hits.right, hits.count))


HITS = ContentKind(
    content=Hits,
    to_bytes=to_bytes,
    from_bytes=from_bytes,
    summaries="output.*.hits",
    check=check,
    view=view,
)


def only(kind: ContentKind[Hits]) -> Kinds:
    return Kinds(contents=[kind])


@pytest.fixture
def known() -> Iterator[None]:
    """Register the type; it goes again with the test."""
    with registered(only(HITS)):
        yield


def hits_sample(
    right: int, count: int, *, window: Window | None = None, share: float = 1.0
) -> SummarySample:
    return SummarySample(
        entity=ENTITY,
        summary=SUMMARY,
        labels=Labels(),
        window=window or minute(0),
        coverage=Coverage(profiled=count),
        content=Hits(right, count),
        sample=share,
    )


def low_hits() -> Alerter:
    return Alerter(
        entity=ENTITY,
        name="low-hits",
        summary="output.*",
        condition=Fixed(statistic="hit_ratio", side=ThresholdSide.BELOW, threshold=0.5),
    )


@pytest.mark.usefixtures("known")
def test_samples_of_the_type_merge_in_any_order_and_weigh_by_their_share() -> None:
    parts = [hits_sample(8, 10), hits_sample(1, 4), hits_sample(2, 5, share=0.5)]
    for order in itertools.permutations(parts):
        merged = SummarySample.merge_all(order, minute(0), Labels())
        assert (merged.content, merged.sample) == (Hits(13, 24), 1.0)
    assert parts[0].suppressed(100) is parts[0]


@pytest.mark.usefixtures("known")
def test_samples_of_two_types_do_not_merge() -> None:
    with pytest.raises(ValueError, match="mixes"):
        SummarySample.merge_all([hits_sample(1, 2), feature_sample([1.0])], minute(0), Labels())


@pytest.mark.usefixtures("known")
def test_the_type_goes_over_the_wire_alone_and_among_others() -> None:
    sample = hits_sample(8, 10)
    packed = sample_to_bytes(sample)
    assert sample_from_bytes(packed) == sample
    merged = merged_sample_from_bytes([packed, packed], minute(0), Labels())
    assert merged.content == Hits(16, 20)
    every = [feature_sample([1.0]), sample, service_sample([0.1])]
    back = [sample_from_bytes(one) for _, one in parts_by_summary(samples_to_bytes(every))]
    assert [one.content.kind for one in back] == ["feature", "hits", "service"]
    assert back[1] == sample


@pytest.mark.usefixtures("known")
def test_a_message_that_is_too_long_or_no_hits_is_refused() -> None:
    message = sample_to_wire(hits_sample(8, 10))
    message.extension.content = b"\0" * (MAX_CONTENT_BYTES + 1)
    with pytest.raises(ValueError, match=f"hits: .* are over {MAX_CONTENT_BYTES}"):
        sample_from_wire(message)
    message.extension.content = b"no hits"
    with pytest.raises(ValueError, match="not hits"):
        sample_from_wire(message)


def test_contents_that_are_too_long_are_not_written() -> None:
    too_long = b"\0" * (MAX_CONTENT_BYTES + 1)
    long = only(replace(HITS, to_bytes=lambda _: too_long))
    with registered(long), pytest.raises(ValueError, match="are over"):
        sample_to_wire(hits_sample(8, 10))


@pytest.mark.parametrize("kind", ["hits", "feature", "extension", ""])
def test_a_kind_that_is_not_registered_is_refused(kind: str) -> None:
    """A kind of this project has a field of its own."""
    extension = pb.Extension(kind=kind, content=b"")
    with pytest.raises(ValueError, match=f"contents of kind '{kind}' are not known"):
        sample_from_wire(pb.SummarySample(summary=SUMMARY, extension=extension))
    with pytest.raises(ValueError, match="no codec"):
        sample_to_wire(hits_sample(8, 10))


def test_a_kind_must_be_a_name() -> None:
    class Odd(Hits):
        kind = "Odd kind"

    with (
        pytest.raises(ConfigError, match="'Odd kind'"),
        registered(only(replace(HITS, content=Odd))),
    ):
        pass


@pytest.mark.usefixtures("known")
def test_the_collector_s_store_keeps_the_type(store: Store) -> None:
    sample = hits_sample(8, 10)
    row = SampleRow.of(sample, sample_to_bytes(sample))
    arrivals = [Arrival(sequence=1, content=row)]
    shipment = Shipment(agent="pod-1", epoch=b"e" * 16, oldest_held=0, arrivals=arrivals)
    assert store.ship(shipment, 0).stored == 1
    (series,) = store.samples.series(ENTITY, SUMMARY)
    assert (series.numbers, series.categories) == (0, 10)
    (stretch,) = store.samples.read([series], 0, minute(1).end_ns, 10)
    assert [sample_from_bytes(payload) for payload in stretch.payloads] == [sample]


@pytest.mark.usefixtures("known")
def test_the_api_shows_the_type_as_it_shows_itself(served: Running) -> None:
    sender = served.sender()
    reply = sender.ship(hits_sample(8, 10), hits_sample(1, 2), hits_sample(0, 1, window=minute(1)))
    assert not reply.rejected
    first, second = served.get("samples", entity=ENTITY, summary=SUMMARY)["samples"]
    assert first["extension"] == {"kind": "hits", "content": {"hit_ratio": 0.75}}
    assert second["extension"] == {"kind": "hits", "content": {"hit_ratio": 0.0}}
    assert (first["feature"], first["service"], first["scores"]) == (None, None, None)
    (summary,) = served.get("summaries", entity=ENTITY)["summaries"]
    assert (summary["data_type"], summary["role"]) == ("category", "output")


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ("summaries", replace(HITS, summaries="")),
        ("check", replace(HITS, check=None)),
        ("view", replace(HITS, view=None)),
    ],
)
def test_a_collector_does_not_start_without_a_part_that_it_needs(
    tmp_path: Path, part: str, kind: ContentKind[Hits]
) -> None:
    collector = Collector(CollectorSettings(database=str(tmp_path / "collector.db")))
    why = f"^content type 'hits': no {part} registered: the collector needs one$"
    with registered(only(kind)), pytest.raises(ConfigError, match=why):
        collector.start()


def test_an_agent_says_at_the_start_that_it_exports_nothing_of_the_type(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = AgentSettings(directory=str(tmp_path), collector="")
    with registered(only(HITS)), caplog.at_level(logging.INFO):
        Agent(settings).stop()
    told = [record for record in caplog.records if "not exported as metrics" in record.message]
    assert [record.__dict__["kind"] for record in told] == ["hits"]


@pytest.mark.usefixtures("known")
def test_a_feature_of_the_type_s_name_is_a_feature(served: Running) -> None:
    """What a summary holds is not guessed from the last word of its name."""
    assert not served.sender().ship(feature_sample([1.0], summary="input.hits")).rejected
    assert not served.sender().ship(feature_sample([1.0], summary="output.hits")).rejected


@pytest.mark.usefixtures("known")
def test_the_type_is_checked_and_has_summaries_of_its_own(served: Running) -> None:
    bad = hits_sample(11, 10)
    feature = feature_sample([1.0], summary=SUMMARY)
    reply = served.sender().ship(bad, feature, hits_sample(1, 2))
    assert [(one.sequence, one.reason) for one in reply.rejected] == [
        (1, "Refused: more hits than predictions"),
        (2, f"Refused: {SUMMARY} must not have content of type feature"),
    ]


@pytest.mark.usefixtures("known")
def test_a_fixed_alerter_judges_a_statistic_of_the_type(served: Running) -> None:
    low = low_hits()
    found = evaluate(low, hits_sample(30, 100), {})
    assert (found.verdict, found.value, found.count) == (Verdict.BREACH, 0.3, 100)
    assert evaluate(low, hits_sample(60, 100), {}).verdict is Verdict.FINE
    assert evaluate(low, hits_sample(1, 10), {}).verdict is Verdict.NOT_JUDGED
    feature = feature_sample([1.0] * 100, summary="output.x")
    assert evaluate(low, feature, {}).verdict is Verdict.NOT_JUDGED
    watching = dataclasses.replace(low, summary=SUMMARY)
    served.put_alerter(alerter_view(watching)).raise_for_status()
    assert not served.sender().ship(hits_sample(30, 100)).rejected
    (episode,) = eventually(lambda: served.get("episodes", entity=ENTITY)["episodes"])
    assert (episode["alerter"], episode["comparator"]) == ("low-hits", "hit_ratio")


def test_a_statistic_of_no_registered_type_is_refused() -> None:
    assert "hit_ratio" not in STATISTICS
    with pytest.raises(KeyError):
        STATISTICS["hit_ratio"]
    with pytest.raises(ConfigError, match="hit_ratio"):
        low_hits()


@pytest.mark.usefixtures("known")
def test_the_type_s_statistics_come_after_those_that_exist() -> None:
    assert list(STATISTICS)[-1] == "hit_ratio"
    assert len(STATISTICS) == len(set(STATISTICS))


def test_the_agent_exports_series_of_the_type_where_it_has_some() -> None:
    seen: list[tuple[str, object]] = []
    measured = Measured(dict, lambda: 0, 60.0, SteppedClock())
    with registered(only(HITS)):
        measured.committed([], [hits_sample(8, 10)])
        measured.closed([hits_sample(8, 10)], [])
    assert measured.series.families() == Series().families()
    measuring = replace(
        HITS,
        series=lambda series, sample, hits, at: seen.append(("series", hits)),
        gauges=lambda series, sample, hits, at, now: seen.append(("gauges", hits)),
    )
    with registered(only(measuring)):
        measured.committed([], [hits_sample(8, 10)])
        measured.closed([hits_sample(7, 10)], [])
    assert seen == [("series", Hits(8, 10)), ("gauges", Hits(7, 10))]


def test_nothing_stays_registered() -> None:
    assert not CONTENT_KINDS
    for registry in (CONTENTS, CODECS):
        assert set(registry) == {"feature", "service", "scores", *LOGGED_KINDS}


def test_what_a_collector_kept_of_a_type_it_lost_does_not_stop_it(tmp_path: Path) -> None:
    with running(tmp_path / "collector.db", SteppedClock()) as served:
        with registered(only(HITS)):
            served.sender().ship(hits_sample(8, 10), feature_sample([1.0]))
        assert served.get("samples", entity=ENTITY, summary=SUMMARY)["samples"] == []
        assert len(served.get("samples", entity=ENTITY, summary="input.amount")["samples"]) == 1
