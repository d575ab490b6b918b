"""A logged summary has one type, which its stored samples settle. In every store."""

import threading

import pytest
from support.rolling import DAY_NS, Rolling
from support.shipping import a_sample_row, ship
from support.stores import Place

from nilometer.profile import Content, Coverage, FeatureProfile, SummarySample
from nilometer.profile.logged.amounts import Aggregation, Head, Stamp
from nilometer.profile.logged.matrix import Matrix
from nilometer.profile.logged.number import Number
from nilometer.profile.logged.table import Table, Value
from nilometer.profile.logged.text import Text
from nilometer.values.labels import Labels
from nilometer_collector.store import Arrival, Level, LoggedType, Shipped, Store
from nilometer_collector.store.postgresql import forgetting as postgresql_forgetting
from nilometer_collector.store.sqlite import forgetting as sqlite_forgetting
from nilometer_collector.testing import ENTITY, START_NS, feature_sample, minute

X = "logged.x"
SUM = Head(Aggregation.SUM, "s", Stamp(1, 1))
NUMBER = Number.of(1.0, SUM)


def row(sequence: int, content: Content, summary: str = X) -> Arrival:
    sample = SummarySample(
        entity=ENTITY,
        summary=summary,
        labels=Labels(),
        window=minute(sequence),
        coverage=Coverage(profiled=1),
        content=content,
    )
    return Arrival(sequence=sequence, content=a_sample_row(sample))


def table(*rows: list[Value], head: Head = SUM, columns: tuple[str, ...] = ("k", "n")) -> Table:
    return Table.of(columns, rows, head)


def feature(*values: float | str) -> Content:
    return feature_sample(list(values)).content if values else FeatureProfile()


def reasons(shipped: Shipped) -> dict[int, str]:
    return {sequence: str(error) for sequence, error in shipped.refused.items()}


def test_the_first_type_of_a_logged_summary_stays_also_after_a_restart(place: Place) -> None:
    store = place.open()
    rows = [row(1, NUMBER), row(2, Text("v", 1)), row(3, Text("v", 1), "logged.y")]
    shipped = ship(store, rows)
    assert (shipped.stored, list(shipped.refused)) == (2, [2])
    store.close()
    store = place.open()
    shipped = ship(store, [row(1, NUMBER), row(2, Number.of(1.0, Head()))])
    assert (shipped.stored, shipped.repeated) == (0, 1)
    assert reasons(shipped) == {2: "aggregation: is 'last', and logged.x has 'sum'"}
    assert ship(store, [row(2, NUMBER)]).stored == 1
    assert store.entities.types(ENTITY) == {
        X: LoggedType("number", "sum", "s"),
        "logged.y": LoggedType("string"),
    }
    assert store.entities.types("other") == {}


@pytest.mark.parametrize(
    ("first", "other", "field", "reason"),
    [
        (
            table(["a", 1.0]),
            table(["a", 1.0], columns=("k", "m")),
            "content.columns",
            "has 'm' (number), and logged.x has 'n' (number)",
        ),
        (
            table(["a", 1.0]),
            table([2.0, 1.0]),
            "content.columns",
            "has 'k' (number), and logged.x has 'k' (text)",
        ),
        (
            table(["a", 1.0]),
            Table.of(["k"], [["a"]], SUM),
            "content.columns",
            "has 1, and logged.x has 2",
        ),
        (
            Matrix.of([[1.0]], SUM),
            Matrix.of([[1.0], [2.0]], SUM),
            "content.rows",
            "has 'rows' (2), and logged.x has 'rows' (1)",
        ),
    ],
)
def test_a_shape_that_would_not_merge_is_refused(
    store: Store, first: Content, other: Content, field: str, reason: str
) -> None:
    shipped = ship(store, [row(1, first), row(2, other)])
    assert shipped.stored == 1
    assert shipped.refused[2].field == field
    assert reasons(shipped) == {2: f"{field}: {reason}"}


def test_the_newest_of_tables_may_have_other_columns(store: Store) -> None:
    last = Head(Aggregation.LAST)
    rows = [row(1, table(["a", 1.0], head=last)), row(2, Table.of(["k"], [["a"]], last))]
    assert ship(store, rows).stored == 2


def test_a_column_without_a_value_is_settled_by_a_later_one(store: Store) -> None:
    assert ship(store, [row(1, table([None, 1.0])), row(2, table())]).stored == 2
    assert store.entities.types(ENTITY)[X].shape == (("k", ""), ("n", "number"))
    shipped = ship(store, [row(3, table(["a", None])), row(4, table([2.0, 1.0]))])
    assert list(shipped.refused) == [4]
    assert store.entities.types(ENTITY)[X].shape == (("k", "text"), ("n", "number"))


def test_a_feature_without_values_settles_no_type(store: Store) -> None:
    assert ship(store, [row(1, feature())]).stored == 1
    assert store.entities.types(ENTITY) == {}
    shipped = ship(store, [row(2, feature("a")), row(3, feature()), row(4, feature(1.0))])
    assert (shipped.stored, list(shipped.refused)) == (2, [4])
    assert store.entities.types(ENTITY) == {X: LoggedType("categories")}
    shipped = ship(store, [row(5, NUMBER, "logged.y"), row(6, feature(), "logged.y")])
    assert list(shipped.refused) == [6]


def test_shipments_at_once_settle_one_type(store: Store) -> None:
    together = threading.Barrier(2)
    shipped: list[Shipped] = []

    def settle(number: int, content: Content) -> None:
        together.wait()
        shipped.append(ship(store, [row(1, content)], epoch=bytes([number]) * 16))

    threads = [
        threading.Thread(target=settle, args=(number, content))
        for number, content in enumerate((NUMBER, Text("v", 1)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((one.stored, len(one.refused)) for one in shipped) == [(0, 1), (1, 0)]
    (record,) = store.samples.series(ENTITY, X)
    assert record.samples == 1


def test_a_refused_row_may_be_repaired_until_a_later_call(store: Store) -> None:
    ship(store, [row(1, NUMBER)], oldest_held=1)
    assert list(ship(store, [row(2, Text("v", 1)), row(3, NUMBER)], oldest_held=2).refused) == [2]
    shipped = ship(store, [row(2, NUMBER), row(3, NUMBER)], oldest_held=2)
    assert (shipped.stored, shipped.repeated, shipped.settled) == (1, 1, 1)
    assert ship(store, [row(9, NUMBER)], oldest_held=9).settled == 1
    shipped = ship(store, [row(4, NUMBER)], oldest_held=4)
    assert (shipped.stored, shipped.repeated, shipped.settled) == (0, 1, 8)


@pytest.fixture(params=[2, 5000])
def most_removed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    most: int = request.param
    for module in (sqlite_forgetting, postgresql_forgetting):
        monkeypatch.setattr(module, "MOST_REMOVED", most)
    return most


@pytest.mark.usefixtures("most_removed")
@pytest.mark.parametrize("rolled_up", [False, True])
def test_a_forgotten_summary_loses_all_of_its_samples_and_nothing_else(
    store: Store, *, rolled_up: bool
) -> None:
    day = START_NS // DAY_NS * DAY_NS
    ship(store, [row(1, NUMBER, "logged.y")], now_ns=day)
    before = store.rollups.levels()[0]
    ship(store, [row(number, NUMBER) for number in range(2, 7)], now_ns=day)
    ship(store, [row(1, NUMBER)], now_ns=day + DAY_NS, epoch=b"f" * 16)
    rolling = Rolling(store)
    if rolled_up:
        rolling.roll_up_all(day + 2 * DAY_NS)
    assert store.entities.forget(ENTITY, X)
    assert not store.entities.forget(ENTITY, X)
    assert not store.entities.forget("other", "logged.y")
    assert set(store.entities.types(ENTITY)) == {"logged.y"}
    (left,) = store.samples.series(ENTITY)
    assert (left.summary, left.samples) == ("logged.y", 1)
    now = store.rollups.levels()[0]
    assert (now.rows, now.bytes) == (before.rows, before.bytes)
    rolling.roll_up_all(day + 2 * DAY_NS)
    assert [(one.rows, one.stale) for one in store.rollups.levels()] == [(1, 0)] * 4
    # A shipment that is repeated does not bring its samples back.
    assert ship(store, [row(2, NUMBER)], now_ns=day).repeated == 1
    assert len(store.samples.series(ENTITY)) == 1
    assert ship(store, [row(9, Text("v", 1))], now_ns=day).stored == 1


def test_a_forgotten_summary_is_stored_and_rolled_up_anew(store: Store) -> None:
    day = START_NS // DAY_NS * DAY_NS
    for number in (1, 2):  # the second shipment finds the series
        ship(store, [row(number, NUMBER)], now_ns=day)
    rolling = Rolling(store)
    rolling.roll_up_all(day + DAY_NS)
    for days in (3000, 3001):
        rolling.retire(day + days * DAY_NS)
    assert store.entities.forget(ENTITY, X)
    later = day + 3001 * DAY_NS
    ship(store, [row(3, NUMBER)], now_ns=later)
    assert rolling.roll_up_all(later + DAY_NS) == 3
    (record,) = store.samples.series()
    assert (record.summary, record.samples) == (X, 1)
    assert len(store.samples.read([record], 0, 1 << 62, 9, Level.DAY)) == 1
    assert [level.stale for level in store.rollups.levels()] == [0, 0, 0, 0]


def test_a_removed_summary_takes_nothing_from_others_that_arrived_with_it(place: Place) -> None:
    """PostgreSQL keeps the waiting statistics of one shipment in one row."""
    store = place.open()
    window, content = minute(0), Number.of(1.0, SUM)
    samples = [
        SummarySample(
            entity=ENTITY,
            summary=summary,
            labels=Labels(),
            window=window,
            coverage=Coverage(profiled=1),
            content=content,
        )
        for summary in ("logged.y", X, "logged.z", X)
    ]
    ship(
        store,
        [Arrival(sequence=at, content=a_sample_row(one)) for at, one in enumerate(samples, 1)],
    )
    assert store.entities.forget(ENTITY, X)
    for _ in range(2):
        found = {one.summary: (one.samples, one.seen) for one in store.samples.series()}
        assert found == {"logged.y": (1, 1), "logged.z": (1, 1)}
        store.rollups.collect()
    Rolling(store).roll_up(START_NS + DAY_NS)
    assert [level.rows for level in store.rollups.levels()][:2] == [2, 2]
