"""Several collectors on one PostgreSQL, and a server that restarts, refuses or changes its role."""

import logging
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any, ParamSpec, TypeVar

import pytest
from support.rolling import DAY_NS, KEEP_NS, Rolling, exact, merged, read
from support.shipping import Agents, a_sample_row, numbered, ship
from support.stores import PostgresqlPlace
from support.watch_steps import a_closing, a_part, a_step, an_opening

from nilometer.alert import EpisodeState, Evaluation, Transition, advance
from nilometer.profile import Coverage, SummarySample
from nilometer.profile.logged.amounts import Aggregation, Head, Stamp
from nilometer.profile.logged.number import Number
from nilometer.testing import eventually
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer_collector.access.secret import Secret
from nilometer_collector.alerting import episodes
from nilometer_collector.alerting.decisions import Decision, DecisionKind
from nilometer_collector.demo.postgresql import Server, running_server
from nilometer_collector.errors import Conflict, Outdated, StoreUnavailable
from nilometer_collector.store import Arrival, Level, RollUp, Size, Store, open_store
from nilometer_collector.store.postgresql import collecting, forgetting, reading, samples
from nilometer_collector.store.postgresql.leases import Lease
from nilometer_collector.store.postgresql.migrations import LOCK
from nilometer_collector.store.postgresql.reading import size
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.postgresql.store import PostgresqlStore
from nilometer_collector.store.postgresql.turns import Turns
from nilometer_collector.testing import (
    ENTITY,
    START_NS,
    a_reference,
    an_alerter,
    an_evaluation,
    feature_sample,
    minute,
)

PASSWORD = "s3cret"

P = ParamSpec("P")
T = TypeVar("T")


@pytest.fixture
def place(postgresql: Server) -> Iterator[PostgresqlPlace]:
    """An empty database."""
    place = PostgresqlPlace(postgresql, postgresql.create_database())
    yield place
    place.close()


@pytest.fixture
def own(postgresql: Server) -> Iterator[PostgresqlPlace]:
    """An empty database on a server of its own, which a test may stop."""
    with running_server(postgresql.bin) as server:
        place = PostgresqlPlace(server, server.create_database())
        yield place
        if not server.is_running:
            server.start()
        place.close()


@contextmanager
def holding(place: PostgresqlPlace, statement: str, end: str = "ROLLBACK") -> Iterator[None]:
    """Keep *statement*'s locks in a transaction of another client, which *end* ends."""
    import psycopg

    with psycopg.connect(place.url) as connection:
        connection.execute(statement.encode())
        yield
        connection.execute(end.encode())


def query(place: PostgresqlPlace, statement: str) -> object:
    ((found,),) = place.change(postgresql=statement)
    return found


def waiting(place: PostgresqlPlace) -> int:
    """How many connections wait for a lock."""
    found = query(
        place,
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock' AND datname = current_database()",
    )
    return int(str(found))


# Opening


def test_two_collectors_that_start_at_once_make_one_schema(place: PostgresqlPlace) -> None:
    keys: list[bytes] = []
    starters = [
        threading.Thread(target=lambda: keys.append(place.open().names_key)) for _ in range(4)
    ]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert len(keys) == 4
    assert len(set(keys)) == 1


def test_a_database_of_a_newer_version_is_refused(place: PostgresqlPlace) -> None:
    place.open().close()
    place.change(postgresql="INSERT INTO nilometer_migrations (name) VALUES ('from_the_future')")
    with pytest.raises(
        ConfigError,
        match=r"was written by a newer nilometer: install that version "
        r"\(unknown migrations: from_the_future\)",
    ):
        place.open()


@pytest.mark.parametrize("step", range(1, 10))
def test_a_migration_that_is_cut_off_is_made_anew(
    place: PostgresqlPlace, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    from nilometer_collector.store.postgresql import schema

    def cut(session: object) -> None:
        raise ConnectionError

    names = list(schema.MIGRATIONS)
    with monkeypatch.context() as patch:
        patch.setitem(schema.MIGRATIONS, names[step], cut)
        with pytest.raises(ConnectionError):
            place.open()
    assert query(place, "SELECT count(*) FROM nilometer_migrations") == step
    store = place.open()
    assert ship(store, [numbered(1)]).stored == 1
    assert query(place, "SELECT count(*) FROM nilometer_migrations") == len(names)


@pytest.mark.parametrize(
    "change",
    ["ALTER TABLE shipped_additions RENAME TO later", "ALTER TABLE series DROP COLUMN id CASCADE"],
)
def test_a_collector_that_is_older_than_the_database_names_the_remedy(
    place: PostgresqlPlace, change: str
) -> None:
    store = place.open()
    place.change(postgresql=change)
    with pytest.raises(StoreUnavailable, match=r"does not exist: .* update this collector"):
        ship(store, [numbered(1)])


def test_a_database_with_another_encoding_is_refused(postgresql: Server) -> None:
    postgresql.run("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    with pytest.raises(ConfigError, match="has the encoding LATIN1"):
        open_store(Secret(postgresql.url("latin")), "")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://collector:{PASSWORD}@127.0.0.1:1/nilometer",
        f"postgresql://collector:{PASSWORD}@/nilometer?host=/nowhere",
        f"postgresql://collector@127.0.0.1:1/nilometer?password={PASSWORD}",
        f"postgresql://collector:{PASSWORD}@127.0.0.1:port/nilometer",
        f"postgresql://collector:{PASSWORD}@[::1/nilometer",
        f"postgresql://collector:{PASSWORD}@h/nilometer?{PASSWORD}=1",
        f"postgresql://collector:{PASSWORD}%00@h/nilometer",
        f"postgresql://collector:{PASSWORD}/{PASSWORD}@127.0.0.1:1/nilometer",
        f"postgresql://collector:{PASSWORD}?{PASSWORD}@127.0.0.1:1/nilometer",
        f"postgresql://collector:1/{PASSWORD}@127.0.0.1:1/nilometer",
        f"postgresql://collector:x@{PASSWORD}@127.0.0.1:1/nilometer",
        f"postgresql://collector:{PASSWORD}@h:{PASSWORD}/nilometer",
    ],
)
def test_no_error_shows_the_password(
    postgresql: Server, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ConfigError) as raised:
        open_store(Secret(url), "")
    error: BaseException | None = raised.value
    while error is not None:
        assert PASSWORD not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert PASSWORD not in caplog.text
    assert str(raised.value).startswith("store")


def test_a_password_that_the_server_repeats_is_hidden(place: PostgresqlPlace) -> None:
    # With "trust", the server accepts any password. The name of the database is repeated.
    url = place.url.replace("postgres@", f"postgres:{PASSWORD}@").replace("nilometer_", PASSWORD)
    with pytest.raises(ConfigError) as raised:
        open_store(Secret(url), "")
    assert PASSWORD not in str(raised.value).partition(": ")[2]


# Samples


def test_samples_of_each_day_of_arrival_have_a_partition(place: PostgresqlPlace) -> None:
    store, day_ns = place.open(), 86_400 * 10**9
    for number, now_ns in enumerate((START_NS, START_NS + 1, START_NS + day_ns), 1):
        ship(store, [numbered(number)], now_ns=now_ns)
    found = place.change(
        postgresql="SELECT tableoid::regclass::text, count(*) FROM samples GROUP BY 1 ORDER BY 1"
    )
    assert found == [("samples_20231114", 2), ("samples_20231115", 1)]


def test_a_partition_that_two_collectors_need_at_once_is_made_once(place: PostgresqlPlace) -> None:
    from nilometer_collector.store.postgresql import partitions

    stores = [place.open() for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        with holding(place, f"SELECT pg_advisory_lock({partitions._LOCK})"):
            shipped = [
                pool.submit(ship, store, [numbered(1)], epoch=bytes([number]) * 16)
                for number, store in enumerate(stores)
            ]
            eventually(lambda: waiting(place) == 3)
        assert [one.result().stored for one in shipped] == [1, 1, 1]


def test_a_partition_that_was_dropped_from_outside_is_made_again(place: PostgresqlPlace) -> None:
    store = place.open()
    ship(store, [numbered(1)])
    place.change(postgresql="DROP TABLE samples_20231114")
    with pytest.raises(StoreUnavailable):
        ship(store, [numbered(2)])
    assert ship(store, [numbered(2)]).stored == 1


def test_a_row_that_reached_one_collector_is_not_stored_by_another(place: PostgresqlPlace) -> None:
    one, other = place.open(), place.open()
    assert ship(one, [numbered(1), numbered(2)]).stored == 2
    shipped = ship(other, [numbered(2), numbered(3)])
    assert (shipped.stored, shipped.repeated) == (1, 1)


def test_labels_can_be_searched_by_key_and_value(place: PostgresqlPlace) -> None:
    store = place.open()
    ship(store, [numbered(1)])
    assert query(place, "SELECT count(*) FROM series WHERE labels @> '{}'") == 1
    assert query(place, "SELECT count(*) FROM pg_indexes WHERE indexname = 'series_labels'") == 1


class Pause:
    """Stops the first judgement or change of a test until it is told to go on.

    Attributes:
        begun: Set when it has begun; the transaction holds its locks.
        over: To be set by the test.
    """

    def __init__(self) -> None:
        self.begun, self.over = threading.Event(), threading.Event()

    def advance(
        self, state: EpisodeState, evaluation: Evaluation
    ) -> tuple[EpisodeState, Transition | None]:
        self._wait_once()
        return advance(state, evaluation)

    def before(self, change: Callable[P, T]) -> Callable[P, T]:
        """Return *change*, which first waits."""

        def paused(*args: P.args, **kwargs: P.kwargs) -> T:
            self._wait_once()
            return change(*args, **kwargs)

        return paused

    def _wait_once(self) -> None:
        if not self.begun.is_set():
            self.begun.set()
            assert self.over.wait(60)


@pytest.fixture
def pause(monkeypatch: pytest.MonkeyPatch) -> Pause:
    pause = Pause()
    monkeypatch.setattr(episodes, "advance", pause.advance)
    return pause


def test_statistics_do_not_change_when_the_worker_collects_them(place: PostgresqlPlace) -> None:
    store = place.open()
    later = START_NS + DAY_NS
    found = []
    for first, now_ns in ((1, START_NS), (5, later), (9, START_NS)):  # the last clock is slow
        ship(store, [numbered(at) for at in range(first, first + 4)], now_ns=now_ns)
        found.append((store.samples.series(), store.samples.totals()))
        store.rollups.take(Level.FIVE_MINUTES, later, 1)
        assert query(place, "SELECT count(*) FROM waiting_additions") == 0
        assert (store.samples.series(), store.samples.totals()) == found[-1]
    (series,), _ = found[-1]
    assert (series.samples, series.seen, series.numbers) == (12, 48, 36)
    assert (series.first_start_ns, series.last_end_ns) == (minute(0).start_ns, minute(2).end_ns)
    assert series.last_received_ns == later


def test_statistics_are_read_without_a_loop_over_all_pairs(place: PostgresqlPlace) -> None:
    """PostgreSQL knows nothing of new series, so it believes that a nested loop is short."""
    from nilometer_collector.store.postgresql.series_now import SERIES_NOW

    store = place.open()
    samples = [feature_sample([1.0], labels={"user": str(at)}) for at in range(40)]
    rows = [Arrival(sequence=at, content=a_sample_row(one)) for at, one in enumerate(samples, 1)]
    ship(store, rows)
    asked = SERIES_NOW % {"entity": f"'{samples[0].entity}'", "summary": f"'{samples[0].summary}'"}
    plan = place.change(postgresql=f"EXPLAIN {asked}")
    assert "Nested Loop" not in str(plan)
    assert len(store.samples.series(samples[0].entity, samples[0].summary)) == 40


def test_two_collectors_collect_each_addition_once(place: PostgresqlPlace) -> None:
    one, other = place.open(), place.open()
    with ThreadPoolExecutor() as pool:
        for number in range(1, 9):
            ship(one, [numbered(number)])
            place.change(postgresql="UPDATE work_leases SET held_until = clock_timestamp()")
            taken = [
                pool.submit(store.rollups.take, Level.FIVE_MINUTES, START_NS, 1)
                for store in (one, other)
            ]
            for future in taken:
                future.result()
    (series,) = one.samples.series()
    assert series.samples == 8


def test_one_collector_collects_at_a_time_and_no_other_waits_for_it(place: PostgresqlPlace) -> None:
    one, other = place.open(), place.open()
    ship(one, [numbered(1), numbered(2)])
    with ThreadPoolExecutor() as pool, holding(place, "SELECT 1 FROM series FOR UPDATE"):
        first = pool.submit(one.rollups.collect)
        eventually(lambda: waiting(place) == 1)
        assert other.rollups.collect() == 0
        assert other.samples.series()[0].samples == 2
    assert first.result() == 2
    assert (one.rollups.collect(), other.samples.series()[0].samples) == (0, 2)


def test_many_additions_are_collected_in_several_transactions(
    place: PostgresqlPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = place.open()
    monkeypatch.setattr(collecting, "MOST_COLLECTED", 3)
    ship(store, [numbered(number) for number in range(1, 12)])
    expected = store.samples.series()
    assert store.rollups.collect() == 11
    assert query(place, "SELECT count(*) FROM waiting_additions") == 0
    assert store.samples.series() == expected


def test_collecting_some_additions_does_not_read_all(place: PostgresqlPlace) -> None:
    """Otherwise each transaction takes longer the more additions wait."""
    ship(place.open(), [numbered(1)])
    statement = collecting._TAKE_SHIPPED % {"after": "'(0,0)'", "limit": "3"}
    plan = [str(line) for line in place.change(postgresql=f"EXPLAIN {statement} TABLE taken")]
    depths = [
        next(line.index(node) for line in plan if node in line) for node in ("WindowAgg", "Limit")
    ]
    assert depths == sorted(depths)
    assert depths[0] < depths[1]


def test_a_summary_is_forgotten_in_transactions_of_limited_size(
    place: PostgresqlPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = place.open()
    number = SummarySample(
        entity=ENTITY,
        summary="logged.x",
        labels=Labels(),
        window=minute(0),
        coverage=Coverage(profiled=1),
        content=Number.of(1.0, Head(Aggregation.SUM, "s", Stamp(1, 1))),
    )
    for sequence in range(1, 6):
        ship(store, [Arrival(sequence=sequence, content=a_sample_row(number))])
    monkeypatch.setattr(forgetting, "MOST_REMOVED", 2)
    forget_some, left = forgetting._forget_some, []

    def counted(session: Session, **asked: Any) -> bool | None:
        is_done = forget_some(session, **asked)
        left.append(session.rows("SELECT count(*) FROM shipped_additions")[0][0])
        return is_done

    monkeypatch.setattr(forgetting, "_forget_some", counted)
    assert store.entities.forget(ENTITY, "logged.x")
    assert left[:3] == [3, 1, 0]


def test_adding_no_samples_changes_nothing(place: PostgresqlPlace) -> None:
    store = place.open()
    assert isinstance(store, PostgresqlStore)
    add = store.samples.add
    assert store._database.write(lambda session: add(session, [], 1, START_NS)) == []
    assert query(place, "SELECT count(*) FROM shipped_additions") == 0


def test_additions_without_a_series_are_settled_and_logged(
    place: PostgresqlPlace, caplog: pytest.LogCaptureFixture
) -> None:
    store = place.open()
    ship(store, [numbered(1), numbered(2)])
    place.change(postgresql="DELETE FROM series")
    assert store.rollups.collect() == 2
    (told,) = (one for one in caplog.records if "their series was removed" in one.message)
    assert told.__dict__["samples"] == 2
    assert Rolling(store).retire(START_NS + 9 * DAY_NS) == 2  # the partition of the day


def test_what_arrives_while_samples_are_read_neither_cuts_nor_enlarges_the_answer(
    place: PostgresqlPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = place.open(), place.open()
    ship(one, [numbered(number) for number in range(1, 5)])
    series = one.samples.series()
    span = (0, 1 << 62)
    sequences = count(5)

    def size_before_an_arrival(*asked: Any) -> Size:
        found = size(*asked)
        ship(other, [numbered(next(sequences)) for _ in range(3)])
        return found

    monkeypatch.setattr(samples, "size", size_before_an_arrival)
    read = one.samples.read_all(series, *span, Size(4, 1 << 20))
    assert sum(map(len, read)) == 4
    assert one.samples.size(series, *span, 99).samples == 7


def test_a_series_that_another_server_lacks_is_created_again(own: PostgresqlPlace) -> None:
    store = own.open()
    for number in (1, 2):  # its id is kept after the first
        ship(store, [numbered(number)])
    # Like a server that was promoted before it had received the last transactions.
    own.change(postgresql="DELETE FROM series")
    own.server.stop(signal.SIGINT)
    own.server.start()
    store.check_writable()
    ship(store, [numbered(3)])
    (series,) = store.samples.series()
    assert (series.samples, len(store.samples.read([series], 0, 1 << 62, 9))) == (1, 1)


def test_a_shipment_waits_for_an_unfinished_one_of_the_same_outbox(
    place: PostgresqlPlace, pause: Pause
) -> None:
    one, other = place.open(), place.open()
    ship(one, [numbered(1)])
    rows = [numbered(2), Arrival(sequence=3, content=an_evaluation(0.5, 1))]
    with ThreadPoolExecutor() as pool:
        first = pool.submit(ship, one, rows)
        assert pause.begun.wait(60)
        second = pool.submit(ship, other, rows)
        eventually(lambda: waiting(place) == 1)
        pause.over.set()
        assert (first.result().stored, second.result().stored) == (2, 0)


# Roll-ups


def test_one_collector_rolls_up_and_another_takes_over(place: PostgresqlPlace) -> None:
    one, other = place.open(), place.open()
    ship(one, [numbered(1)])
    later = START_NS + 86_400 * 10**9
    stale = one.rollups.take(Level.FIVE_MINUTES, later, 10)
    assert len(stale) == 1
    assert other.rollups.take(Level.FIVE_MINUTES, later, 10) == []
    assert other.rollups.retire(later, KEEP_NS) == 0
    place.change(postgresql="UPDATE work_leases SET held_until = clock_timestamp()")
    assert other.rollups.take(Level.FIVE_MINUTES, later, 10) == stale
    made = RollUp(stale=stale[0], rows=[a_sample_row(feature_sample([1.0]))])
    assert one.rollups.put([made], later) == 0
    assert other.rollups.put([made], later) == 1


def test_a_collector_leaves_the_work_to_newer_ones(place: PostgresqlPlace) -> None:
    """What a newer version stores may be in tables that it does not know."""
    store = place.open()
    ship(store, [numbered(1)])
    later = START_NS + 40 * DAY_NS
    (stale,) = store.rollups.take(Level.FIVE_MINUTES, later, 10)
    made = RollUp(stale=stale, rows=[a_sample_row(feature_sample([1.0]))])
    place.change(postgresql="INSERT INTO nilometer_migrations (name) VALUES ('of_tomorrow')")
    for work in (
        lambda: store.rollups.put([made], later),  # under a lease from before the update
        lambda: store.rollups.take(Level.FIVE_MINUTES, later, 10),
        lambda: store.rollups.retire(later, KEEP_NS),
    ):
        with pytest.raises(Outdated, match="update this collector"):
            work()
    assert ship(store, [numbered(2)]).stored == 1
    assert store.rollups.levels()[0].rows == 2


def test_no_migration_commits_between_the_check_of_a_lease_and_its_commit(
    place: PostgresqlPlace,
) -> None:
    import psycopg

    store = place.open()
    ship(store, [numbered(1)])
    later = START_NS + 40 * DAY_NS
    (stale,) = store.rollups.take(Level.FIVE_MINUTES, later, 10)
    made = RollUp(stale=stale, rows=[a_sample_row(feature_sample([1.0]))])
    with holding(place, f"SELECT pg_advisory_xact_lock({LOCK})"):  # a migration that is being made
        assert store.rollups.put([made], later) == 0
        assert store.rollups.take(Level.FIVE_MINUTES, later, 10) == []
        assert store.rollups.retire(later, KEEP_NS) == 0
    migrating = f"SELECT pg_try_advisory_xact_lock({LOCK})"
    with psycopg.connect(place.url) as worker:
        Lease("rollups", 30.0).hold(Session(worker))
        assert query(place, migrating) is False
        worker.commit()
        assert query(place, migrating) is True
    assert store.rollups.put([made], later) == 1


def test_a_collector_does_not_wait_for_the_one_that_works_under_the_lease(
    place: PostgresqlPlace,
) -> None:
    one, other = place.open(), place.open()
    ship(one, [numbered(1)])
    later = START_NS + DAY_NS
    assert len(one.rollups.take(Level.FIVE_MINUTES, later, 10)) == 1
    with holding(place, "SELECT 1 FROM work_leases FOR UPDATE"):
        assert other.rollups.take(Level.FIVE_MINUTES, later, 10) == []
        assert other.rollups.retire(later, KEEP_NS) == 0


def test_a_sample_that_arrives_while_its_part_is_stored_makes_the_part_stale_again(
    place: PostgresqlPlace,
) -> None:
    one, other = place.open(), place.open()
    ship(one, [numbered(1)])
    later = START_NS + DAY_NS
    (stale,) = one.rollups.take(Level.FIVE_MINUTES, later, 10)
    made = RollUp(stale=stale, rows=[a_sample_row(feature_sample([1.0]))])
    with ThreadPoolExecutor() as pool:
        with holding(place, "LOCK TABLE levels IN EXCLUSIVE MODE"):
            storing = pool.submit(one.rollups.put, [made], later)
            eventually(lambda: waiting(place) == 1)
            ship(other, [numbered(2)])
            collected = pool.submit(other.rollups.collect)
            eventually(lambda: waiting(place) == 2)
        assert (storing.result(), collected.result()) == (1, 1)
    assert len(one.rollups.take(Level.FIVE_MINUTES, later, 10)) == 1


def test_a_day_that_is_too_old_is_dropped_once_it_is_rolled_up(place: PostgresqlPlace) -> None:
    store = place.open()
    ship(store, [numbered(1)])
    rolling = Rolling(store)
    rolling.retire(START_NS + 9 * DAY_NS)
    tables = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'samples'::regclass"
    assert query(place, tables) == 1
    rolling.roll_up_all(START_NS + 9 * DAY_NS)
    rolling.retire(START_NS + 9 * DAY_NS)
    assert query(place, tables) == 0
    assert query(place, "SELECT count(*) FROM arrivals") == 0


def test_a_shipment_to_a_removed_day_keeps_its_partition(place: PostgresqlPlace) -> None:
    store, late = place.open(), place.open()
    ship(late, [numbered(1)])
    rolling = Rolling(store)
    rolling.roll_up_all(START_NS + 9 * DAY_NS)
    rolling.clock.wall_ns = START_NS + 9 * DAY_NS
    rolling.worker.retire()  # the day is given up, and not yet dropped
    ship(late, [numbered(2)])  # a collector with a late clock that knows the partition
    assert rolling.worker.retire() == 0
    rolling.roll_up_all(START_NS + 9 * DAY_NS)
    assert rolling.retire(START_NS + 9 * DAY_NS) == 2
    assert exact(read(store, Level.DAY)) == exact(read(store, Level.SHIPPED))
    assert merged(read(store, Level.DAY)).coverage.profiled == 8
    with pytest.raises(StoreUnavailable):
        ship(late, [numbered(3)])
    assert ship(late, [numbered(3)]).stored == 1
    assert merged(read(store, Level.DAY)).coverage.profiled == 12


PARTITION = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'samples'::regclass"


def test_a_day_is_not_dropped_while_an_answer_reads_it(
    place: PostgresqlPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dropped partition is missing even in a snapshot that is older."""
    import psycopg

    store = place.open()
    ship(store, [numbered(1), numbered(2)])
    series = store.samples.series()
    drop = f"SET lock_timeout = '1ms'; DROP TABLE {query(place, PARTITION)}"
    held_from = reading.held_from

    def dropped_after(session: Session) -> Mapping[Level, int]:
        found = held_from(session)
        with suppress(psycopg.errors.LockNotAvailable):
            place.change(postgresql=drop)
        return found

    monkeypatch.setattr(reading, "held_from", dropped_after)
    assert sum(map(len, store.samples.read(series, 0, 1 << 62, 10))) == 2


def test_an_answer_that_waited_for_a_dropped_day_reads_its_roll_ups(place: PostgresqlPlace) -> None:
    store = place.open()
    ship(store, [numbered(1), numbered(2)])
    Rolling(store).roll_up_all(START_NS + 9 * DAY_NS)
    series = store.samples.series()
    drop = f"""
        LOCK TABLE samples IN ACCESS EXCLUSIVE MODE;
        DROP TABLE {query(place, PARTITION)};
        UPDATE levels SET held_from_day = held_from_day + 99999 WHERE level_ns = 0"""
    with ThreadPoolExecutor() as pool:
        with holding(place, drop, end="COMMIT"):
            found = pool.submit(store.samples.read, series, 0, 1 << 62, 10)
            eventually(lambda: waiting(place) == 1)
        assert sum(map(len, found.result())) == 1


# Alerts and deliveries


def test_a_judgement_waits_for_an_unfinished_one_of_the_same_episode(
    place: PostgresqlPlace, pause: Pause
) -> None:
    one, other = Agents(place.open()), Agents(place.open())
    pause.over.set()
    one.say("pod-1", 0.1, 0)
    pause.begun.clear()
    pause.over.clear()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(one.say, "pod-1", 0.5, 1)
        assert pause.begun.wait(60)
        second = pool.submit(other.say, "pod-2", 0.5, 1)
        eventually(lambda: waiting(place) == 1)
        pause.over.set()
        assert (first.result(), second.result()) == (1, 0)
    assert one.statuses == [["ALERTING"]]


def test_a_deletion_waits_for_an_unfinished_judgement_of_a_new_label_set(
    place: PostgresqlPlace, pause: Pause
) -> None:
    one, other = Agents(place.open()), place.open()
    other.alerts.put(an_alerter(), "api", START_NS)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(one.say, "pod-1", 0.5, 1)
        assert pause.begun.wait(60)
        deleted = pool.submit(other.alerts.delete, ENTITY, "drift", START_NS)
        eventually(lambda: waiting(place) == 1)
        pause.over.set()
        assert (first.result(), deleted.result()) == (1, True)
    assert one.statuses == [["ALERTING", "PAUSED"]]


def test_a_changed_alerter_locks_its_own_row_before_what_it_has_judged(
    place: PostgresqlPlace,
) -> None:
    store = place.open()
    store.alerts.put(an_alerter(), "api", START_NS)
    Agents(store).say("pod-1", 0.5, 1)
    place.change(postgresql="UPDATE judged SET quiet_until_ns = 9223372036854775807")
    with ThreadPoolExecutor() as pool:
        with holding(place, "SELECT 1 FROM alerters FOR UPDATE"):
            changed = pool.submit(store.alerts.put, an_alerter(threshold=0.3), "api", START_NS)
            eventually(lambda: waiting(place) == 1)
            free = place.change(postgresql="SELECT id FROM judged FOR UPDATE NOWAIT")
        changed.result()
    assert len(free) == 1
    assert query(place, "SELECT quiet_until_ns FROM judged") == 0


def test_a_decision_waits_for_the_default_alerter_that_closes_the_episode(
    place: PostgresqlPlace, pause: Pause, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = place.open(), place.open()
    one.watching.save(ENTITY, a_step(0, episodes=[an_opening(1, a_part())]), START_NS)
    (episode,) = one.alerts.episodes()
    silence = Decision(
        kind=DecisionKind.SILENCED,
        author="alice",
        reason="a known sale",
        made_ns=START_NS,
        until_ns=START_NS + 3600 * 10**9,
    )
    monkeypatch.setattr(Turns, "close", pause.before(Turns.close))
    with ThreadPoolExecutor() as pool:
        closing = pool.submit(
            one.watching.save, ENTITY, a_step(1, episodes=[a_closing(1, a_part())]), START_NS
        )
        assert pause.begun.wait(60)
        decided = pool.submit(other.decisions.make, ENTITY, episode.id, silence)
        eventually(lambda: waiting(place) == 1)
        pause.over.set()
        assert closing.result() == 1
        with pytest.raises(Conflict, match="is closed"):
            decided.result()
    assert other.alerts.episodes()[0].decisions == ()


def test_agents_of_several_collectors_share_one_episode(place: PostgresqlPlace) -> None:
    one, other = Agents(place.open()), Agents(place.open())
    assert one.say("pod-1", 0.5, 1) == 1
    assert other.say("pod-2", 0.6, 1) == 0
    assert one.say("pod-1", 0.1, 2) == 0
    assert other.say("pod-2", 0.1, 2) == 1
    assert one.statuses == other.statuses == [["ALERTING", "OK"]]


def test_a_reference_that_one_collector_stores_empties_the_cache_of_the_others(
    place: PostgresqlPlace,
) -> None:
    one, other = place.open(), place.open()
    before = other.references.generation
    one.references.put(a_reference({"input.amount": [1.0, 2.0]}), 1)
    assert other.references.generation != before


def test_a_delivery_that_one_collector_holds_is_not_given_to_another(
    place: PostgresqlPlace,
) -> None:
    one, other = place.open(), place.open()
    agents = Agents(one)
    for number, value in enumerate([0.5, 0.1]):
        agents.say("pod-1", value, number)
    first = one.deliveries.take("slack", START_NS)
    assert first is not None
    assert other.deliveries.take("slack", START_NS) is None
    one.deliveries.failed(first, START_NS, "status 500")
    assert other.deliveries.take("slack", START_NS) is None  # the first collector waits to retry
    one.deliveries.delivered(first, START_NS)
    second = other.deliveries.take("slack", START_NS)
    assert second is not None
    assert second.id > first.id
    assert one.deliveries.take("slack", START_NS) is None


def test_a_delivery_of_a_collector_that_ended_goes_to_another(place: PostgresqlPlace) -> None:
    one, other = place.open(), place.open()
    Agents(one).say("pod-1", 0.5, 1)
    first = one.deliveries.take("slack", START_NS)
    assert first is not None
    one.close()
    assert other.deliveries.take("slack", START_NS) is None
    place.change(postgresql="UPDATE deliveries SET held_until = clock_timestamp()")
    second = other.deliveries.take("slack", START_NS)
    assert second is not None
    assert second.key == first.key


def test_a_report_after_the_lease_changes_no_message_of_another_collector(
    place: PostgresqlPlace,
) -> None:
    one, other = place.open(), place.open()
    agents = Agents(one)
    agents.say("pod-1", 0.5, 1)
    slow = one.deliveries.take("slack", START_NS)
    assert slow is not None
    place.change(postgresql="UPDATE deliveries SET held_until = clock_timestamp()")
    taken = other.deliveries.take("slack", START_NS)
    assert taken is not None
    assert (taken.key, taken.is_repeat) == (slow.key, True)
    one.deliveries.failed(slow, START_NS, "status 503")  # certainly not arrived, by this attempt
    other.deliveries.failed(taken, START_NS, "status 503")
    agents.say("pod-1", 0.5, 1, summary="input.age")
    again = other.deliveries.take("slack", START_NS)
    assert again is not None
    assert (again.key, again.others) == (slow.key, ())
    one.deliveries.delivered(slow, START_NS)
    assert one.deliveries.counts("slack").delivered == 0
    other.deliveries.delivered(again, START_NS)
    last = other.deliveries.take("slack", START_NS)
    assert last is not None
    assert last.episode.summary == "input.age"


def test_no_collector_delivers_before_the_receiver_wants_to_hear_again(
    place: PostgresqlPlace,
) -> None:
    one, other = place.open(), place.open()
    Agents(one).say("pod-1", 0.5, 1)
    first = one.deliveries.take("slack", START_NS)
    assert first is not None
    one.deliveries.failed(first, START_NS, "status 429", 600.0)
    place.change(postgresql="UPDATE deliveries SET held_until = clock_timestamp()")
    for store in (one, other):
        assert store.deliveries.take("slack", START_NS) is None
    place.change(postgresql="UPDATE deliveries SET not_before = clock_timestamp()")
    second = other.deliveries.take("slack", START_NS)
    assert second is not None
    assert second.key == first.key


def test_collectors_that_deliver_at_once_take_each_notification_once(
    place: PostgresqlPlace,
) -> None:
    stores = [place.open() for _ in range(3)]
    agents = Agents(stores[0])
    for number in range(20):
        labels = {"episode": str(number // 2)}
        agents.say("pod-1", 0.5 if number % 2 == 0 else 0.1, number, labels=labels)
    taken: list[str] = []

    def deliver(store: Store) -> None:
        while store.deliveries.counts("slack").waiting:
            notice = store.deliveries.take("slack", START_NS)
            if notice is not None:
                taken.append(notice.key)
                store.deliveries.delivered(notice, START_NS)

    couriers = [threading.Thread(target=deliver, args=(store,)) for store in stores]
    for courier in couriers:
        courier.start()
    for courier in couriers:
        courier.join()
    assert len(taken) == len(set(taken))
    told = Counter(one.outcome for one in stores[0].deliveries.records("slack"))
    assert told == {"delivered": 20}


# Faults


def test_a_deadlock_is_retried(place: PostgresqlPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    from psycopg import errors

    store, calls = place.open(), iter(range(100))

    def conflict(
        state: EpisodeState, evaluation: Evaluation
    ) -> tuple[EpisodeState, Transition | None]:
        if next(calls) < 3:
            raise errors.DeadlockDetected
        return advance(state, evaluation)

    monkeypatch.setattr(episodes, "advance", conflict)
    assert Agents(store).say("pod-1", 0.5, 1) == 1
    assert len(store.alerts.episodes()) == 1


def test_conflicts_without_end_are_given_up(
    place: PostgresqlPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from psycopg import errors

    store, calls = place.open(), iter(range(100))

    def conflict(*arguments: object) -> object:
        next(calls)
        raise errors.SerializationFailure

    with monkeypatch.context() as patch:
        patch.setattr(episodes, "advance", conflict)
        with pytest.raises(StoreUnavailable):
            Agents(store).say("pod-1", 0.5, 1)
    assert next(calls) == 5
    assert Agents(store).say("pod-1", 0.5, 1) == 1


def test_connections_that_the_server_ended_are_replaced(place: PostgresqlPlace) -> None:
    store = place.open()
    ship(store, [numbered(1)])
    place.change(
        postgresql="SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert ship(store, [numbered(1), numbered(2)]).stored == 1
    assert len(store.samples.series()) == 1


def test_a_server_that_is_away_is_unavailable_and_the_store_works_when_it_is_back(
    own: PostgresqlPlace,
) -> None:
    store = own.open()
    ship(store, [numbered(1)])
    for how in (signal.SIGINT, signal.SIGQUIT):
        own.server.stop(how)
        for call in (
            store.check_writable,
            store.samples.series,
            lambda: ship(store, [numbered(2)]),
        ):
            with pytest.raises(StoreUnavailable):
                call()
        own.server.start()
        store.check_writable()
        assert ship(store, [numbered(1)]).repeated == 1
    assert ship(store, [numbered(2)]).stored == 1


def test_a_server_that_only_reads_is_unavailable_for_changes(place: PostgresqlPlace) -> None:
    store = place.open()
    ship(store, [numbered(1)])
    name = query(place, "SELECT current_database()")
    place.change(postgresql=f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    restart_connections(place)
    with pytest.raises(StoreUnavailable):
        ship(store, [numbered(2)])
    with pytest.raises(StoreUnavailable):
        store.check_writable()
    assert len(store.samples.series()) == 1
    place.server.run(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    assert ship(store, [numbered(2)]).stored == 1
    store.check_writable()


def restart_connections(place: PostgresqlPlace) -> None:
    place.change(
        postgresql="SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


def test_a_lock_that_another_client_keeps_makes_the_store_unavailable(
    place: PostgresqlPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nilometer_collector.store.postgresql import database

    monkeypatch.setattr(database, "_PREPARE", "SET lock_timeout = '50ms'")
    store = place.open()
    ship(store, [numbered(1)])
    with holding(place, "SELECT * FROM streams FOR UPDATE"), pytest.raises(StoreUnavailable):
        ship(store, [numbered(2)])
    assert ship(store, [numbered(2)]).stored == 1


def test_a_read_that_takes_too_long_is_ended(place: PostgresqlPlace) -> None:
    from nilometer_collector.store.postgresql import PostgresqlStore

    store = place.open()
    assert isinstance(store, PostgresqlStore)
    assert store._database.read(lambda session: session.row("SHOW statement_timeout")) == ("30s",)
    name = query(place, "SELECT current_database()")
    place.change(postgresql=f"ALTER DATABASE {name} SET statement_timeout = '50ms'")
    short = place.open()
    assert isinstance(short, PostgresqlStore)
    with pytest.raises(StoreUnavailable, match="statement timeout"):
        short._database.read(lambda session: session.row("SELECT pg_sleep(60)"))
    assert short.samples.series() == []


def test_a_store_gives_up_when_all_its_connections_are_in_use(
    place: PostgresqlPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nilometer_collector.store.postgresql import database

    monkeypatch.setattr(database, "MOST_CONNECTIONS", 1)
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    store = place.open()
    ship(store, [numbered(1)])
    with holding(place, "SELECT * FROM streams FOR UPDATE"):
        stuck = threading.Thread(target=lambda: ship(store, [numbered(2)]))
        stuck.start()
        eventually(lambda: waiting(place) == 1)
        with pytest.raises(StoreUnavailable, match="connections are in use"):
            store.samples.series()
    stuck.join()
    assert ship(store, [numbered(2)]).repeated == 1


def test_a_closed_store_is_unavailable(place: PostgresqlPlace) -> None:
    store = place.open()
    ship(store, [numbered(1)])
    store.close()
    store.close()
    with pytest.raises(StoreUnavailable):
        store.samples.series()
    left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'nilometer-collector'"
    eventually(lambda: query(place, left + " AND datname = current_database()") == 0)


def test_a_commit_is_durable_though_the_server_says_otherwise(place: PostgresqlPlace) -> None:
    from nilometer_collector.store.postgresql import PostgresqlStore

    name = query(place, "SELECT current_database()")
    place.change(postgresql=f"ALTER DATABASE {name} SET synchronous_commit = off")
    store = place.open()
    assert isinstance(store, PostgresqlStore)
    shown = store._database.read(lambda session: session.row("SHOW synchronous_commit"))
    assert shown == ("on",)
