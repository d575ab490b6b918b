"""Every level holds every observation once: before, while and after it is rolled up. In every store."""

import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.rolling import DAY_NS, END_NS, MINUTE_NS, Rolling, exact, merged, read
from support.shipping import a_sample_row, ship
from support.stores import NewPlace

from nilometer.profile import FeatureProfile, SummarySample
from nilometer.values.window import Window
from nilometer_collector.rollups import worker
from nilometer_collector.store import LEVELS, ROLLED_UP, Arrival, Level, RollUp, Store
from nilometer_collector.testing import START_NS, feature_sample, service_sample

HOUR_NS = 60 * MINUTE_NS
LATER_NS = START_NS + 10 * DAY_NS  # everything is due


class Outbox:
    """An agent that ships samples to *store*."""

    def __init__(self, store: Store, agent: str = "pod-1") -> None:
        self.store, self.agent = store, agent
        self.sequence = 0

    def ship(self, *samples: SummarySample, now_ns: int = START_NS) -> None:
        rows = []
        for sample in samples:
            self.sequence += 1
            rows.append(Arrival(sequence=self.sequence, content=a_sample_row(sample)))
        epoch = self.agent.encode().ljust(16)[:16]
        assert ship(self.store, rows, agent=self.agent, epoch=epoch, now_ns=now_ns).stored == len(
            rows
        )


def at(minutes: float, values: Sequence[float | None] = (1.0,), length: int = 1) -> SummarySample:
    """Make a sample of the window that starts *minutes* after the start of the day of `START_NS`."""
    start = START_NS - START_NS % DAY_NS + int(minutes * MINUTE_NS)
    return feature_sample(values, window=Window(start, start + length * MINUTE_NS))


def count(store: Store, level: Level) -> int:
    content = merged(read(store, level)).content
    assert isinstance(content, FeatureProfile)
    return content.cells


def test_each_level_is_made_of_aligned_windows(store: Store) -> None:
    Outbox(store).ship(*(at(minutes) for minutes in (0, 4, 5, 59, 60, 1439, 1440)))
    assert Rolling(store).roll_up_all(LATER_NS) == 6 + 4 + 2
    for level, expected in (
        (Level.SHIPPED, [0, 4, 5, 59, 60, 1439, 1440]),
        (Level.FIVE_MINUTES, [0, 5, 55, 60, 1435, 1440]),
        (Level.HOUR, [0, 60, 1380, 1440]),
        (Level.DAY, [0, 1440]),
    ):
        records = read(store, level)
        assert {one.level for one in records} == {level}
        starts = [(one.window_start_ns - at(0).window.start_ns) / MINUTE_NS for one in records]
        assert starts == expected
        lengths = {one.window_end_ns - one.window_start_ns for one in records}
        assert lengths == {level.length_ns or MINUTE_NS}


def test_counters_and_histograms_are_exact_at_every_level(store: Store) -> None:
    made = random.Random(4)
    pods = [Outbox(store, f"pod-{number}") for number in range(3)]
    for pod in pods:
        for minutes in range(0, 3000, 37):
            values = [made.choice([None, 0.0, -2.0, made.lognormvariate(1, 2)]) for _ in range(20)]
            pod.ship(at(minutes, values), now_ns=START_NS + minutes * MINUTE_NS)
    expected = exact(read(store, Level.SHIPPED))
    rolling = Rolling(store)
    for now_ns in (START_NS, START_NS + HOUR_NS, START_NS + DAY_NS, LATER_NS):
        rolling.roll_up(now_ns)
        for level in LEVELS:
            assert exact(read(store, level)) == expected
    assert len(read(store, Level.DAY)) < len(read(store, Level.HOUR))


def test_quantiles_of_a_day_stay_within_the_bound_of_the_digest(store: Store) -> None:
    made = random.Random(5)
    every: list[float] = []
    outbox = Outbox(store)
    for minutes in range(0, 1440, 3):
        values = [made.lognormvariate(0, 2) for _ in range(50)]
        every += values
        outbox.ship(at(minutes, values))
    Rolling(store).roll_up_all(LATER_NS)
    (day,) = read(store, Level.DAY)
    content = merged([day]).content
    assert isinstance(content, FeatureProfile)
    every.sort()
    for q, bound in ((0.01, 0.001), (0.5, 0.01), (0.99, 0.001), (0.999, 0.0005)):
        (value,) = content.numbers.digest.quantile([q]).tolist()
        rank = sum(one <= value for one in every) / len(every)
        assert abs(rank - q) <= bound


def test_a_roll_up_is_the_same_bits_for_every_order_of_arrival(new_place: NewPlace) -> None:
    samples = [at(minutes % 7, [minutes / 7, minutes**2, None]) for minutes in range(30)]
    payloads = []
    for order in (samples, samples[::-1], random.Random(1).sample(samples, 30)):
        store = new_place().open()
        outbox = Outbox(store)
        for sample in order:
            outbox.ship(sample)
        Rolling(store).roll_up_all(LATER_NS)
        payloads.append([[one.payload for one in read(store, level)] for level in ROLLED_UP])
    assert payloads[0] == payloads[1] == payloads[2]


def test_an_open_window_waits_for_its_end_and_late_data_does_not(store: Store) -> None:
    outbox, rolling = Outbox(store), Rolling(store)
    now = at(2).window.start_ns
    outbox.ship(at(0), now_ns=now)
    assert rolling.roll_up(now + 2 * MINUTE_NS) == 0
    assert rolling.roll_up(at(6).window.start_ns) == 1
    assert rolling.roll_up(at(50).window.start_ns) == 0
    assert rolling.roll_up(at(61).window.start_ns) == 1
    assert rolling.roll_up(at(1441).window.start_ns) == 1
    late = at(2000).window.start_ns
    outbox.ship(at(0, [2.0]), now_ns=late)
    assert rolling.roll_up(late + MINUTE_NS) == 1
    assert rolling.roll_up(late + 2 * MINUTE_NS) == 1
    assert rolling.roll_up(late + 3 * MINUTE_NS) == 1
    assert [len(read(store, level)) for level in LEVELS] == [2, 2, 2, 2]
    assert count(store, Level.DAY) == 2


def test_late_data_is_read_from_finer_levels_until_it_is_rolled_up(store: Store) -> None:
    outbox, rolling = Outbox(store), Rolling(store)
    outbox.ship(*(at(minutes) for minutes in (0, 3, 7, 70)))
    rolling.roll_up_all(LATER_NS)
    outbox.ship(at(1), at(71))
    read_from = [[one.level for one in read(store, Level.DAY)]]
    for step in range(4):
        assert {count(store, level) for level in LEVELS} == {6}
        rolling.roll_up(LATER_NS + step * MINUTE_NS)
        read_from.append([one.level for one in read(store, Level.DAY)])
    shipped, five, hour, day = LEVELS
    assert read_from == [
        [shipped, shipped, shipped, five, shipped, shipped],
        [five, five, five],
        [hour, hour],
        [day],
        [day],
    ]


def test_a_window_from_the_future_is_rolled_up_soon(store: Store) -> None:
    Outbox(store).ship(at(10**7))
    rolling = Rolling(store)
    assert rolling.roll_up(START_NS + HOUR_NS) == 1
    assert count(store, Level.DAY) == 1


def test_what_arrives_while_a_part_is_merged_makes_it_stale_again(store: Store) -> None:
    outbox = Outbox(store)
    outbox.ship(at(0))
    stale = store.rollups.take(Level.FIVE_MINUTES, LATER_NS, 10)
    pages = list(store.rollups.samples(stale))
    outbox.ship(at(1, [2.0, 3.0]))
    rolled = [RollUp(stale=one, rows=[a_sample_row(at(0, length=5))]) for one, _ in pages]
    store.rollups.put(rolled, LATER_NS)
    assert {count(store, level) for level in LEVELS} == {3}
    assert Rolling(store).roll_up_all(LATER_NS) == 3
    assert {count(store, level) for level in LEVELS} == {3}
    assert store.rollups.put(rolled, LATER_NS) == 0
    assert {count(store, level) for level in LEVELS} == {3}


def test_a_worker_that_ends_before_it_stores_its_work_loses_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    Outbox(store).ship(at(0), at(7))

    def end(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(store.rollups), "put", end)
        with pytest.raises(KeyboardInterrupt):
            Rolling(store).roll_up(LATER_NS)
    assert {count(store, level) for level in LEVELS} == {2}
    assert Rolling(store).roll_up_all(LATER_NS) == 4
    assert {count(store, level) for level in LEVELS} == {2}


@pytest.mark.parametrize("minutes", [5, 7, 60, 90, 1440, 2000, 400 * 1440])
def test_a_long_sample_is_not_split(store: Store, minutes: int) -> None:
    outbox = Outbox(store)
    outbox.ship(at(3, [1.0], minutes), at(0, [1.0], minutes), at(4), at(3, [2.0], minutes))
    Rolling(store).roll_up_all(LATER_NS + 500 * DAY_NS)
    for level in LEVELS:
        records = read(store, level)
        assert merged(records).coverage.profiled == 4
        if minutes * MINUTE_NS >= level.length_ns > 0:
            windows = {(one.window_start_ns, one.window_end_ns) for one in records}
            assert (at(3).window.start_ns, at(3, [], minutes).window.end_ns) in windows
    assert count(store, Level.DAY) == 4


def test_a_part_is_read_in_pages_and_merged_to_the_same_counts(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in _modules_with("PAGE_BYTES"):
        monkeypatch.setattr(module, "PAGE_BYTES", 1000)
    monkeypatch.setattr("nilometer_collector.rollups.merging.FAN_IN", 4)
    outbox = Outbox(store)
    outbox.ship(*(at(0, [float(number), None]) for number in range(100)), at(1))
    expected = exact(read(store, Level.SHIPPED))
    stale = store.rollups.take(Level.FIVE_MINUTES, LATER_NS, 10)
    pages = [len(payloads) for _, payloads in store.rollups.samples(stale)]
    assert sum(pages) == 101
    assert max(pages) < 20
    Rolling(store).roll_up_all(LATER_NS)
    for level in ROLLED_UP:
        (record,) = read(store, level)
        assert exact([record]) == expected


def _modules_with(name: str) -> list[ModuleType]:
    return [
        module
        for key, module in sys.modules.items()
        if key.startswith("nilometer_collector.store.") and hasattr(module, name)
    ]


def test_samples_of_two_types_are_both_kept(store: Store) -> None:
    feature = at(0)
    service = replace(service_sample([0.1, 0.2]), window=at(1).window, summary=feature.summary)
    Outbox(store).ship(feature, service)
    Rolling(store).roll_up_all(LATER_NS)
    for level in ROLLED_UP:
        assert len(read(store, level)) == 2


def test_a_read_has_bounds_at_every_level(store: Store) -> None:
    Outbox(store).ship(*(at(minutes) for minutes in range(0, 300, 10)))
    Rolling(store).roll_up(at(200).window.start_ns)
    for level in LEVELS:
        found = read(store, level, at(100).window.start_ns, at(130).window.start_ns)
        assert all(
            one.window_start_ns < at(130).window.start_ns
            and one.window_end_ns > at(100).window.start_ns
            for one in found
        )
        assert found
        series = store.samples.series()
        (one,) = store.samples.read(series, 0, END_NS, 1, level)
        assert len(one) == 1
        assert store.samples.size(series, 0, END_NS, 1, level) == (1, len(one.payloads[0]))
        every = read(store, level)
        size = store.samples.size(series, 0, END_NS, 10_000, level)
        assert size == (len(every), sum(len(one.payload) for one in every))


# Retention


def levels(store: Store) -> dict[Level, int]:
    return {one.level: one.rows for one in store.rollups.levels()}


def test_each_level_is_kept_for_its_time_from_the_arrival(store: Store) -> None:
    outbox, rolling = Outbox(store), Rolling(store)
    outbox.ship(at(0), at(1), at(7), now_ns=START_NS)
    rolling.roll_up(START_NS + HOUR_NS)
    assert list(levels(store).values()) == [3, 2, 0, 0]
    rolling.roll_up_all(START_NS + DAY_NS)
    assert list(levels(store).values()) == [3, 2, 1, 1]
    left = []
    for days in (2, 4, 35, 37, 400, 402, 1826, 1828):
        rolling.retire(START_NS + days * DAY_NS)
        left.append(list(levels(store).values()))
        if days < 1828:
            assert {count(store, level) for level in LEVELS} == {3}
    assert left == [
        [3, 2, 1, 1],
        [0, 2, 1, 1],
        [0, 2, 1, 1],
        [0, 0, 1, 1],
        [0, 0, 1, 1],
        [0, 0, 0, 1],
        [0, 0, 0, 1],
        [0, 0, 0, 0],
    ]
    assert read(store, Level.SHIPPED) == read(store, Level.DAY) == []


def test_logged_history_stays_as_long_as_what_happened_today(store: Store) -> None:
    outbox, rolling = Outbox(store), Rolling(store)
    outbox.ship(at(-1000 * 1440), at(0), now_ns=START_NS)
    rolling.roll_up_all(LATER_NS)
    rolling.retire(START_NS + DAY_NS)
    assert len(read(store, Level.SHIPPED)) == 2
    rolling.retire(START_NS + 30 * DAY_NS)
    assert [one.level for one in read(store, Level.SHIPPED)] == [Level.FIVE_MINUTES] * 2


def test_late_data_of_a_removed_window_is_counted_once(store: Store) -> None:
    outbox, rolling = Outbox(store), Rolling(store)
    outbox.ship(at(0), at(1), now_ns=START_NS)
    for days in (5, 40, 500):
        now_ns = START_NS + days * DAY_NS
        rolling.roll_up_all(now_ns)
        rolling.retire(now_ns)
        before = count(store, Level.DAY)
        outbox.ship(at(1, [2.0]), now_ns=now_ns)
        assert {count(store, level) for level in LEVELS} == {before + 1}
        rolling.roll_up_all(now_ns + DAY_NS)
        assert {count(store, level) for level in LEVELS} == {before + 1}
    assert count(store, Level.SHIPPED) == 5


def test_nothing_is_removed_before_it_is_rolled_up(store: Store) -> None:
    outbox, rolling = Outbox(store), Rolling(store)
    outbox.ship(at(0), now_ns=START_NS)
    rolling.retire(START_NS + 9999 * DAY_NS)
    assert {count(store, level) for level in LEVELS} == {1}
    assert levels(store)[Level.SHIPPED] == 1


def test_a_clock_that_goes_back_brings_no_data_on_a_removed_day(store: Store) -> None:
    outbox, rolling = Outbox(store), Rolling(store)
    outbox.ship(at(0), now_ns=START_NS)
    rolling.roll_up_all(LATER_NS)
    rolling.retire(LATER_NS)
    outbox.ship(at(0), now_ns=START_NS)
    assert {count(store, level) for level in LEVELS} == {2}
    rolling.roll_up_all(LATER_NS + DAY_NS)
    rolling.retire(LATER_NS + 10 * DAY_NS)
    assert {count(store, level) for level in LEVELS} == {2}


def test_many_rows_are_removed_in_steps(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in _modules_with("MOST_REMOVED"):
        monkeypatch.setattr(module, "MOST_REMOVED", 3)
    outbox, rolling = Outbox(store), Rolling(store)
    outbox.ship(*(at(5 * number) for number in range(10)), now_ns=START_NS)
    rolling.roll_up_all(LATER_NS)
    assert rolling.retire(LATER_NS) == 10
    assert rolling.retire(START_NS + 50 * DAY_NS) == 10
    assert levels(store)[Level.FIVE_MINUTES] == 0


def test_the_size_of_each_level_is_counted(store: Store) -> None:
    outbox, rolling = Outbox(store), Rolling(store)
    outbox.ship(at(0), at(1), at(70), now_ns=START_NS)
    for _ in range(2):
        for record in store.rollups.levels():
            rows = [one for one in read(store, record.level) if one.level is record.level]
            assert (record.rows, record.bytes) == (
                len(rows),
                sum(len(one.payload) for one in rows),
            )
            assert record.held_from_ns == 0
        rolling.roll_up_all(LATER_NS)
        outbox.ship(at(71), now_ns=START_NS)
        rolling.roll_up_all(LATER_NS)
    outbox.ship(at(0), now_ns=LATER_NS)
    assert [one.stale for one in store.rollups.levels()] == [0, 1, 0, 0]
    rolling.roll_up_all(LATER_NS + DAY_NS)
    rolling.retire(LATER_NS)
    shipped = store.rollups.levels()[0]
    assert (shipped.rows, shipped.held_from_ns) == (1, LATER_NS - LATER_NS % DAY_NS - 2 * DAY_NS)


# Any history


class History:
    """A store, what was shipped to it, and the time."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.outbox = Outbox(store)
        self.rolling = Rolling(store)
        self.now_ns = START_NS
        self.shipped = 0

    def take(self, step: str, days: int, minutes: int, length: int) -> None:
        """Take one step; check that every level holds everything afterwards."""
        match step:
            case "ship":
                self.shipped += 1
                sample = at(days * 1440 + minutes, [float(minutes)], length)
                self.outbox.ship(sample, now_ns=self.now_ns)
            case "wait":
                self.now_ns += abs(days) * DAY_NS + minutes * MINUTE_NS
            case "retire":
                self.rolling.retire(self.now_ns)
            case "roll_up":
                self.rolling.roll_up(self.now_ns)
            case _:
                self.rolling.clock.wall_ns = self.now_ns
                self.rolling.worker.roll_up()
        for level in LEVELS:
            records = read(self.store, level)
            assert (merged(records).coverage.profiled if records else 0) == self.shipped


steps = st.tuples(
    st.sampled_from(["ship", "wait", "retire", "roll_up", "roll_up some"]),
    st.integers(-40, 3),
    st.integers(0, 70),
    st.sampled_from([1, 5, 7, 90]),
)


def test_any_history_keeps_every_observation_once(
    new_place: NewPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "MOST_PARTS", 2)

    @settings(suppress_health_check=[HealthCheck.differing_executors], max_examples=15)
    @given(st.lists(steps, max_size=25))
    def holds(taken: list[tuple[str, int, int, int]]) -> None:
        history = History(new_place().open())
        try:
            for step in taken:
                history.take(*step)
        finally:
            history.store.close()

    holds()
