"""Rows count once, whatever the network does; nothing is half stored. In every store."""

import threading
from dataclasses import replace

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.shipping import EPOCH, a_sample_row, numbered, ship
from support.stores import NewPlace, Place

from nilometer.profile import Coverage, SummarySample
from nilometer.testing import SteppedClock
from nilometer.values.labels import LabelFilter, Labels
from nilometer.values.window import Window
from nilometer_collector.alerting import episodes
from nilometer_collector.api.resources.samples import samples_view
from nilometer_collector.errors import Refused
from nilometer_collector.query.query import Query
from nilometer_collector.query.records import SamplesQuestion
from nilometer_collector.store import Arrival, SampleRow, Shipped, Size, Store, TooLarge
from nilometer_collector.testing import ENTITY, START_NS, an_evaluation, feature_sample, minute

LARGEST = (1 << 63) - 1


def answer(store: Store, entity: str = ENTITY) -> bytes:
    """Everything that a reader can see of *entity*."""
    query = Query(store, SteppedClock())
    question = SamplesQuestion(entity=entity, summary="input.amount", labels=LabelFilter())
    samples = samples_view(question, query.samples(question))
    (series,) = store.samples.series(entity)
    known = msgspec.to_builtins(
        {name: getattr(series, name) for name in series.__slots__ if name != "id"}
        | {"labels": str(series.labels)}
    )
    return msgspec.json.encode([samples, known])


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[int, list[list[int]]]:
    """A count of rows, and calls that bring each of them at least once, in any order."""
    count = draw(st.integers(1, 12))
    again = draw(st.lists(st.integers(1, count), max_size=12))
    order = draw(st.permutations([*range(1, count + 1), *again]))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=5)))
    bounds = zip([0, *cuts], [*cuts, len(order)], strict=True)
    return count, [list(order[start:end]) for start, end in bounds]


def test_any_resend_and_reorder_of_rows_gives_the_same_answer(new_place: NewPlace) -> None:
    orderly, wild = new_place().open(), new_place().open()
    runs = iter(range(1 << 20))

    @settings(suppress_health_check=[HealthCheck.differing_executors])
    @given(deliveries())
    def holds(delivery: tuple[int, list[list[int]]]) -> None:
        count, calls = delivery
        run = next(runs)
        entity, epoch = f"e{run}", run.to_bytes(16)
        ship(orderly, [numbered(number, entity) for number in range(1, count + 1)], epoch=epoch)
        shipped = [
            ship(wild, [numbered(number, entity) for number in call], epoch=epoch) for call in calls
        ]
        assert answer(wild, entity) == answer(orderly, entity)
        assert sum(one.stored for one in shipped) == count
        assert sum(one.stored + one.repeated for one in shipped) == sum(map(len, calls))

    holds()


def counts(shipped: Shipped) -> tuple[int, int]:
    return shipped.stored, shipped.repeated


def test_a_mark_that_the_agent_raised_completes_missing_sequences(store: Store) -> None:
    assert counts(ship(store, [numbered(5)])) == (1, 0)
    assert counts(ship(store, [numbered(9)], oldest_held=9)) == (1, 0)
    assert counts(ship(store, [numbered(number) for number in (3, 5, 8, 9)])) == (0, 4)
    assert counts(ship(store, [numbered(10)])) == (1, 0)


def test_only_the_gaps_are_remembered_one_by_one(store: Store, place: Place) -> None:
    def remembered() -> list[list[tuple[object, ...]]]:
        statements = (
            "SELECT high_water FROM streams",
            "SELECT sequence FROM stream_ahead ORDER BY sequence",
        )
        return [place.change(sqlite=one, postgresql=one) for one in statements]

    ship(store, [numbered(number) for number in (1, 2, 4, 6)])
    assert remembered() == [[(2,)], [(4,), (6,)]]
    ship(store, [numbered(3)])
    assert remembered() == [[(4,)], [(6,)]]


def test_the_largest_sequence_is_a_sequence(store: Store) -> None:
    assert counts(ship(store, [numbered(1), large(LARGEST)])) == (2, 0)
    assert counts(ship(store, [large(LARGEST)], oldest_held=LARGEST)) == (0, 1)
    assert counts(ship(store, [large(LARGEST - 1), large(LARGEST)])) == (0, 2)


def large(sequence: int) -> Arrival:
    return Arrival(sequence=sequence, content=a_sample_row(feature_sample([1.0])))


def test_equal_sequences_of_other_agents_and_epochs_are_other_rows(store: Store) -> None:
    for agent, epoch in (("pod-1", b"1" * 16), ("pod-1", b"2" * 16), ("pod-2", b"1" * 16)):
        assert counts(ship(store, [numbered(1)], agent=agent, epoch=epoch)) == (1, 0)
        assert counts(ship(store, [numbered(1)], agent=agent, epoch=epoch)) == (0, 1)


def test_two_calls_that_bring_the_same_rows_at_once_store_them_once(store: Store) -> None:
    rows = [numbered(number) for number in range(1, 200)]
    shipped: list[Shipped] = []
    senders = [threading.Thread(target=lambda: shipped.append(ship(store, rows))) for _ in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert sorted(counts(one) for one in shipped) == [(0, 199)] * 3 + [(199, 0)]
    (series,) = store.samples.series()
    assert series.samples == 199


def test_shipments_of_many_agents_at_once_add_up(store: Store) -> None:
    def send(agent: str) -> None:
        for number in range(1, 11):
            rows = [
                Arrival(
                    sequence=10 * number + part,
                    content=a_sample_row(feature_sample([1.0], summary=f"input.f{part}")),
                )
                for part in (range(10) if number % 2 else range(9, -1, -1))
            ]
            assert ship(store, rows, agent=agent, epoch=agent.encode().ljust(16)).stored == 10

    senders = [threading.Thread(target=send, args=(f"pod-{n}",)) for n in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert [(one.samples, one.seen) for one in store.samples.series()] == [(40, 40)] * 10


def test_a_call_that_fails_half_way_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [numbered(1), Arrival(sequence=2, content=an_evaluation(0.5, 1)), numbered(3)]
    with monkeypatch.context() as patch:
        patch.setattr(episodes, "advance", lambda *_: [].__getitem__(1))
        with pytest.raises(IndexError):
            ship(store, rows)
    assert (store.samples.series(), store.alerts.episodes()) == ([], [])
    assert ship(store, rows) == Shipped(stored=3, repeated=0, notices=1)


def test_what_was_stored_is_there_after_reopening(place: Place) -> None:
    first = place.open()
    ship(first, [numbered(1), numbered(2)])
    before, key = answer(first), first.names_key
    first.close()
    second = place.open()
    assert answer(second) == before
    assert counts(ship(second, [numbered(2)])) == (0, 1)
    assert second.names_key == key
    assert len(key) == 32


def test_two_installations_have_keys_of_their_own(two_empty_places: list[Place]) -> None:
    first, second = (place.open() for place in two_empty_places)
    assert first.names_key != second.names_key


def test_the_statistics_of_a_series_cover_all_its_samples(store: Store) -> None:
    long = feature_sample([1.0, None, "x"], window=minute(5))
    for number, (sample, now_ns) in enumerate(
        [
            (feature_sample([1.0, 2.0], window=minute(3)), 20),
            (long, 10),
            (feature_sample([3.0], window=minute(1), labels={"v": "2"}), 30),
        ],
        1,
    ):
        ship(store, [Arrival(sequence=number, content=a_sample_row(sample))], now_ns=now_ns)
    labelled, plain = store.samples.series(ENTITY, "input.amount")
    assert (plain.seen, plain.numbers, plain.categories, plain.samples) == (5, 3, 1, 2)
    assert (plain.first_start_ns, plain.last_end_ns) == (minute(3).start_ns, minute(5).end_ns)
    assert (plain.longest_window_ns, plain.last_window_ns) == (60 * 10**9, 60 * 10**9)
    assert plain.last_received_ns == 20
    assert (str(labelled.labels), labelled.samples) == ("v=2", 1)


def test_a_collection_changes_no_answer_and_is_done_once(store: Store) -> None:
    for entity in (ENTITY, "other"):
        ship(store, [numbered(number, entity=entity) for number in (1, 2)], agent=entity)
    before = store.samples.series(), store.samples.totals()
    store.rollups.collect()
    assert (store.samples.series(), store.samples.totals()) == before
    assert store.rollups.collect() == 0


def test_sums_stop_at_the_largest_integer_of_json(store: Store) -> None:
    most = 1 << 48
    for first in range(0, 60, 20):
        rows = [
            Arrival(sequence=number, content=a_sample_row(seen(most)))
            for number in range(first + 1, first + 21)
        ]
        ship(store, rows)
    (series,) = store.samples.series()
    assert series.seen == 1 << 53


def seen(count: int) -> SummarySample:
    return replace(feature_sample([1.0]), coverage=Coverage(profiled=count))


def test_series_are_listed_by_name_entity_and_summary(store: Store) -> None:
    names = [
        ("b", "input.z"),
        ("B", "input.y"),
        ("a", "input.é"),
        ("a", "input.f"),
        ("a", "input.F"),
    ]
    ship(
        store,
        [
            Arrival(
                sequence=number,
                content=a_sample_row(feature_sample([1.0], entity=entity, summary=summary)),
            )
            for number, (entity, summary) in enumerate(names, 1)
        ],
    )
    listed = [(one.entity, one.summary) for one in store.samples.series()]
    assert listed == sorted(names)
    assert [one.summary for one in store.samples.series("b")] == ["input.z"]
    assert store.samples.series("a", "input.missing") == []


def test_a_read_finds_the_overlapping_samples_up_to_a_limit(store: Store) -> None:
    rows = [
        Arrival(
            sequence=number,
            content=a_sample_row(feature_sample([1.0], window=minute(number), labels={"v": v})),
        )
        for number, v in enumerate("ababab", 1)
    ]
    ship(store, rows)
    series = store.samples.series(ENTITY)
    span = (minute(2).start_ns + 1, minute(4).start_ns + 1)
    payloads = [row.content.payload for row in rows if isinstance(row.content, SampleRow)]
    read = store.samples.read(series, *span, 10)
    assert sorted(
        (start, end) for one in read for start, end in zip(one.starts, one.ends, strict=True)
    ) == [(minute(number).start_ns, minute(number).end_ns) for number in (2, 3, 4)]
    assert sorted(payload for one in read for payload in one.payloads) == sorted(payloads[1:4])
    assert {one.series for one in read} == {one.id for one in series}
    assert store.samples.size(series, *span, 10) == (3, sum(map(len, payloads[1:4])))
    assert store.samples.size(series, *span, 2).samples == 2
    assert [len(one) for one in store.samples.read(series[:1], *span, 1)] == [1]
    assert store.samples.size(series, minute(6).end_ns, minute(9).end_ns, 10) == (0, 0)
    assert store.samples.read([], *span, 10) == []
    assert store.samples.size([], *span, 10) == (0, 0)


def test_all_samples_are_read_or_none(store: Store) -> None:
    rows = [numbered(number) for number in range(1, 151)]
    ship(store, rows)
    series = store.samples.series(ENTITY)
    span = (minute(0).start_ns, minute(9).end_ns)
    size = store.samples.size(series, *span, 1000)
    found = store.samples.read_all(series, *span, size)
    assert sum(len(one) for one in found) == size.samples == 150
    assert sum(one.size.bytes for one in found) == size.bytes
    for most in (size._replace(samples=149), size._replace(bytes=size.bytes - 1), Size(0, 0)):
        with pytest.raises(TooLarge) as refused:
            store.samples.read_all(series, *span, most)
        assert not refused.value.size.fits(most)
    assert store.samples.read_all([], *span, Size(0, 0)) == []


def test_a_long_window_is_found_from_its_middle(store: Store) -> None:
    day = Window(START_NS, START_NS + 86_400 * 10**9)
    rows = [feature_sample([1.0], window=day), feature_sample([2.0], window=minute(700))]
    ship(store, [Arrival(sequence=n, content=a_sample_row(row)) for n, row in enumerate(rows, 1)])
    span = (minute(900).start_ns, minute(901).start_ns)
    (found,) = store.samples.read(store.samples.series(), *span, 5)
    assert list(found.starts) == [day.start_ns]


def test_a_sample_that_fails_its_checksum_is_left_out_and_logged(
    store: Store, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    ship(store, [numbered(1), numbered(2)])
    place.change(
        sqlite="UPDATE samples SET payload = zeroblob(40) WHERE sequence = 1",
        postgresql="UPDATE samples SET payload = decode(repeat('00', 40), 'hex') WHERE sequence = 1",
    )
    query = Query(store, SteppedClock())
    samples = query.samples(SamplesQuestion(entity=ENTITY, summary="input.amount")).samples
    assert [compared.sample.coverage.seen for compared in samples] == [4]
    assert "stored row left out: its checksum does not match" in caplog.text


def test_samples_of_any_arrival_and_window_are_kept(store: Store) -> None:
    last = 1 << 62
    for number, now_ns in enumerate((0, 1, START_NS, START_NS + 86_400 * 10**9, last), 1):
        window = Window(last - number - 1, last - number)
        sample = feature_sample([1.0], window=window, labels={"n": str(number)})
        row = Arrival(sequence=number, content=a_sample_row(sample))
        assert counts(ship(store, [row], now_ns=now_ns)) == (1, 0)
    series = store.samples.series()
    assert sum(one.samples for one in series) == 5
    assert len(store.samples.read(series, 0, last, 10)) == 5


def test_label_sets_with_hostile_keys_and_long_values_are_kept_apart(store: Store) -> None:
    long = {f"key_{number}": "v" * 256 for number in range(32)}
    sets = [
        {},
        {"a": "1"},
        {"a": '1","b":"2'},
        {"a": "1", "b": "2"},
        {"a": "'; DROP TABLE samples; --"},
        {"constructor": "__proto__", "null": "../../etc"},
        {"a": "é\u202e\U0001f600"},
        long,
        {**long, "key_0": "w"},
    ]
    rows = [
        Arrival(sequence=number, content=a_sample_row(feature_sample([1.0], labels=labels)))
        for number, labels in enumerate(sets, 1)
    ]
    assert counts(ship(store, rows)) == (9, 0)
    found = [one.labels for one in store.samples.series()]
    assert sorted(map(str, found)) == sorted(str(Labels.of(labels)) for labels in sets)


@pytest.mark.parametrize("bad", ["\0", "a\0b", "\ud800", "\udfff tail"])
def test_names_that_not_every_database_keeps_are_refused_and_nothing_is_stored(
    store: Store, bad: str
) -> None:
    with pytest.raises(Refused):
        store.samples.series(bad)
    with pytest.raises(Refused):
        ship(store, [numbered(1)], agent=bad)
    sample = replace(feature_sample([1.0]), summary=f"input.{bad}")
    hostile = Arrival(sequence=2, content=SampleRow.of(sample, b""))
    with pytest.raises(Refused):
        ship(store, [numbered(1), hostile])
    assert store.samples.series() == []
    assert counts(ship(store, [numbered(1)])) == (1, 0)


def test_a_label_value_with_nul_is_refused(store: Store) -> None:
    row = a_sample_row(feature_sample([1.0], labels={"a": "b\0c"}))
    with pytest.raises(Refused):
        ship(store, [Arrival(sequence=1, content=row)])
    assert store.samples.series() == []


def test_an_empty_call_only_raises_the_mark(store: Store) -> None:
    assert ship(store, [], oldest_held=7) == Shipped(stored=0, repeated=0, notices=0)
    assert counts(ship(store, [numbered(6), numbered(7)], epoch=EPOCH)) == (1, 1)


def test_a_store_that_can_be_written_says_so(store: Store) -> None:
    store.check_writable()
