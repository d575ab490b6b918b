"""The default alerter's state, windows and episodes are stored together or not at all, in every store."""

from dataclasses import replace

import pytest
from support.shipping import Agents, a_sample_row, numbered, ship
from support.stores import Place, PostgresqlPlace, SqlitePlace
from support.watch_steps import ALERTER, a_part, a_step, a_turn, an_opening
from support.watched_traffic import DAY, Traffic, normal

from nilometer.alert import AlertStatus
from nilometer.alert.conditions import DEFAULT_ALERTER
from nilometer.values.labels import Labels
from nilometer.values.senders import TABLES
from nilometer_collector.alerting.episodes import Closed
from nilometer_collector.store import Arrival, Store
from nilometer_collector.testing import ENTITY, START_NS, an_alerter, feature_sample, minute
from nilometer_collector.watch.memory import DAY_NS
from nilometer_collector.watch.reading import watched_series
from nilometer_collector.watch.watch import Watch

NOW_NS = START_NS


def test_a_state_is_read_as_it_was_stored(store: Store) -> None:
    assert store.watching.load(ENTITY) is None
    store.watching.report(ENTITY, b"before the first window")
    assert store.watching.reports(ENTITY) == [(ENTITY, b"before the first window")]
    assert store.watching.load(ENTITY) is None
    assert store.watching.save(ENTITY, a_step(0, baselines=b"first"), NOW_NS) == 0
    assert store.watching.save(ENTITY, a_step(1, state=b"second"), NOW_NS) == 0
    found = store.watching.load(ENTITY)
    assert found is not None
    assert (found.revision, found.state, found.baselines) == (2, b"second", b"first")
    store.watching.report(ENTITY, b"later")
    assert store.watching.reports() == [(ENTITY, b"later")]
    assert store.watching.reports("another") == []


@pytest.mark.parametrize("stored", [0, 1])
def test_a_step_after_another_revision_changes_nothing(store: Store, stored: int) -> None:
    for revision in range(stored + 1):
        store.watching.save(ENTITY, a_step(revision), NOW_NS)
    late = a_step(stored, state=b"late", windows=[(300, b"w")], episodes=[an_opening(1, a_part())])
    assert store.watching.save(ENTITY, late, NOW_NS) is None
    found = store.watching.load(ENTITY)
    assert found is not None
    assert (found.revision, found.state) == (stored + 1, b"state")
    assert store.watching.windows(ENTITY, 0, 1000) == []
    assert store.alerts.episodes() == []
    assert store.deliveries.counts("slack").waiting == 0


def test_windows_are_kept_replaced_and_forgotten(store: Store) -> None:
    store.watching.save(ENTITY, a_step(0, windows=[(300, b"a"), (600, b"b"), (900, b"c")]), NOW_NS)
    assert store.watching.windows(ENTITY, 300, 900) == [(600, b"b"), (900, b"c")]
    step = a_step(1, windows=[(900, b"d")], forget=(300, 600))
    store.watching.save(ENTITY, step, NOW_NS)
    assert store.watching.windows(ENTITY, 0, 900) == [(300, b"a"), (900, b"d")]
    assert store.watching.windows("another", 0, 900) == []


def test_an_episode_opens_grows_and_closes_with_two_notifications(store: Store) -> None:
    first, second = a_part(), a_part("input.age", labels=Labels.of(version="7"), opened_ns=500)
    opening = an_opening(7, first)
    assert store.watching.save(ENTITY, a_step(0, episodes=[opening]), NOW_NS) == 1
    joined = replace(opening, summary="input.age", labels=second.labels, value=0.9, change=None,
                     parts=(second,))  # fmt: skip
    assert store.watching.save(ENTITY, a_step(1, episodes=[joined]), NOW_NS) == 0
    (episode,) = store.alerts.episodes(is_open=True)
    assert (episode.summary, episode.labels, episode.worst) == ("input.age", second.labels, 0.9)
    assert (episode.parts, episode.alerter) == ((first, second), ALERTER)
    assert episode.number == opening.number
    assert store.watching.open_parts() == {(ENTITY, "input.amount"), (ENTITY, "input.age")}
    assert store.alerts.open_episodes() == [(ENTITY, "input.age")]
    ended = (replace(first, closed_ns=900), replace(second, closed_ns=900))
    closed = Closed(closed_ns=900, turn=a_turn(AlertStatus.OK, 900))
    step = a_step(2, episodes=[replace(joined, change=closed, parts=ended)])
    assert store.watching.save(ENTITY, step, NOW_NS) == 1
    (episode,) = store.alerts.episodes(is_open=False)
    assert (episode.parts, episode.closed_ns) == (ended, 900)
    assert [turn.status for turn in episode.history] == ["ALERTING", "OK"]
    assert store.watching.open_parts() == set()
    notice = store.deliveries.take("slack", NOW_NS)
    assert notice is not None
    assert (notice.episode.parts, notice.episode.number) == (ended, opening.number)


def test_two_episodes_may_have_the_same_leading_summary(store: Store) -> None:
    steps = [an_opening(number, a_part()) for number in (1, 2)]
    assert store.watching.save(ENTITY, a_step(0, episodes=steps), NOW_NS) == 2
    assert len(store.alerts.episodes(is_open=True)) == 2


def test_set_alerters_have_episodes_beside_those_of_the_default_alerter(store: Store) -> None:
    agents = Agents(store)
    agents.say("pod-1", 0.5, 1)
    store.watching.save(ENTITY, a_step(0, episodes=[an_opening(1, a_part())]), NOW_NS)
    store.alerts.put(an_alerter(), "api", NOW_NS)
    store.alerts.delete(ENTITY, "drift", NOW_NS)
    (episode,) = store.alerts.episodes(is_open=True)
    assert (episode.alerter.name, len(episode.parts)) == (DEFAULT_ALERTER, 1)


def test_a_shipment_tells_how_far_an_agents_windows_have_arrived(store: Store) -> None:
    ship(store, [numbered(2), numbered(1)], agent="pod-1", epoch=b"1" * 16, now_ns=NOW_NS)
    ship(store, [numbered(3)], agent="pod-2", epoch=b"2" * 16, now_ns=NOW_NS + 1)
    ship(store, [numbered(4, "another")], agent="pod-2", epoch=b"2" * 16, now_ns=NOW_NS + 2)
    heard = [(one.agent, one.end_ns, one.received_ns) for one in store.watching.heard(ENTITY)]
    assert heard == [
        ("pod-1", minute(2).end_ns, NOW_NS),
        ("pod-2", minute(0).end_ns, NOW_NS + 1),
    ]
    assert store.watching.entities() == ["another", ENTITY]


def test_the_newest_window_of_all_agents_is_known_without_tables(store: Store) -> None:
    assert store.newest_end_ns() is None
    ship(store, [numbered(2)], agent="pod-1", epoch=b"1" * 16, now_ns=NOW_NS)
    ship(store, [numbered(1, "another")], agent="pod-2", epoch=b"2" * 16, now_ns=NOW_NS)
    late = Arrival(sequence=1, content=a_sample_row(feature_sample([1.0], window=minute(9))))
    ship(store, [late], agent=TABLES, epoch=b"3" * 16, now_ns=NOW_NS)
    (found,) = (one for one in store.watching.heard(ENTITY) if one.agent == "pod-1")
    assert store.newest_end_ns() == found.end_ns


def test_the_lag_of_an_agent_is_that_of_its_newest_window(store: Store) -> None:
    lags: list[tuple[int, int]] = []
    for number, late_ns in [(1, 5), (2, 30), (1, 900), (3, 20)]:  # an older window comes in between
        row = a_sample_row(feature_sample([1.0], window=minute(number)))
        arrival = Arrival(sequence=len(lags) + 1, content=row)
        ship(store, [arrival], now_ns=minute(number).end_ns + late_ns)
        (heard,) = store.watching.heard(ENTITY)
        lags.append((heard.lag_ns, heard.least_lag_ns))
    assert lags == [(5, 5), (30, 5), (30, 5), (20, 5)]


def test_agents_that_send_no_more_are_forgotten(store: Store) -> None:
    for at, (agent, number) in enumerate(
        [("gone", 1), (TABLES, 0), ("newest window", 9), ("heard last", 2), ("sends", 3)]
    ):
        late_ns = DAY_NS if agent == "sends" else 0
        row = a_sample_row(feature_sample([1.0], window=minute(number)))
        ship(
            store,
            [Arrival(sequence=1, content=row)],
            agent=agent,
            epoch=str(at).encode() * 16,
            now_ns=NOW_NS + at + late_ns,
        )
    alone = a_sample_row(feature_sample([1.0], window=minute(1), entity="another"))
    ship(store, [Arrival(sequence=1, content=alone)], agent="gone", epoch=b"9" * 16, now_ns=NOW_NS)
    store.watching.forget_agents(NOW_NS)
    assert len(store.watching.heard(ENTITY)) == 5
    store.watching.forget_agents(NOW_NS + DAY_NS)
    assert [one.agent for one in store.watching.heard(ENTITY)] == sorted(
        [TABLES, "newest window", "sends"]
    )
    assert store.watching.entities() == ["another", ENTITY]


def test_what_users_log_tells_nothing_about_an_agents_windows(store: Store) -> None:
    logged = feature_sample([1.0], summary="logged.wait", window=minute(9))
    ship(store, [Arrival(sequence=1, content=a_sample_row(logged))], now_ns=NOW_NS)
    assert store.watching.entities() == []
    (series,) = store.samples.series(ENTITY)
    assert series.summary == "logged.wait"
    assert watched_series(store.samples, ENTITY) == []


def test_one_of_several_collectors_holds_an_entity(place: Place) -> None:
    store = place.open()
    assert store.watching.hold(ENTITY)
    assert store.watching.hold(ENTITY)
    if isinstance(place, SqlitePlace):
        return  # a file has one collector
    another = place.open()
    assert not another.watching.hold(ENTITY)
    assert another.watching.hold("another")
    place.change(postgresql="UPDATE watch_leases SET held_until = now() - interval '1 second'")
    assert another.watching.hold(ENTITY)
    assert not store.watching.hold(ENTITY)


def test_two_collectors_judge_each_window_once(place: Place) -> None:
    traffic = Traffic(place.open())
    traffic.run(round(1.2 * DAY), every=36)
    assert traffic.report.phase == "COARSE"
    another = traffic.watch
    if isinstance(place, PostgresqlPlace):
        another = Watch(place.open(), traffic.clock, (), lambda: None)
    traffic.columns["input.amount"] = normal(3.0)
    for number in range(8):
        traffic.run(1)
        another.advance()
        if number == 2 and isinstance(place, PostgresqlPlace):  # its holder is away for a while
            place.change(postgresql="UPDATE watch_leases SET held_until = now() - interval '1 s'")
            another.advance()
    assert traffic.statuses == [["ALERTING"]]
    assert traffic.notices == 1
    assert traffic.report.judged_ns == traffic.window(-2).end_ns
