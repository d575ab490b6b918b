"""Every label is counted once, in the window of its prediction, whatever the order of arrival."""

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from msgspec.structs import replace
from support.predicted import a_prediction, log_predictions
from support.rolling import DAY_NS
from support.stores import Place
from support.truths import (
    BINARY,
    HOUR_NS,
    NOW_NS,
    REGRESSION,
    SOURCE,
    a_truth,
    contents,
    expected,
    packed,
    scored,
    tell,
)

from nilometer.predictions import PredictionRecord
from nilometer.profile.performance import Classification, Regression
from nilometer.values.clock import NANOSECONDS
from nilometer.values.entity import PERFORMANCE
from nilometer.values.labels import Labels
from nilometer_collector.ground_truth.truths import Outcome, PredictionKey
from nilometer_collector.store import Level, Store, joining
from nilometer_collector.testing import ENTITY, START_NS
from nilometer_collector.watch.reading import watched_series

OTHER = b"t" * 16


def values_of(count: int) -> dict[str, str]:
    """Return a label for each prediction of `scored`."""
    return {f"id-{at}": str(int(at % 3 == 0)) for at in range(count)}


def test_labels_are_counted_in_the_windows_of_their_predictions(store: Store) -> None:
    records, values = scored(150), values_of(150)
    log_predictions(store, records)
    answer = tell(store, [a_truth(name, value) for name, value in values.items()])
    assert (answer.counts, answer.is_repeated) == ({Outcome.JOINED: 150}, False)
    assert packed(contents(store)) == packed(expected(records, values))
    windows = store.truths.windows(ENTITY, 0, 1 << 62, 10)
    assert [one.labelled for one in windows] == [44, 60, 46]
    (series,) = store.samples.series(ENTITY, PERFORMANCE)
    assert (series.seen, series.samples, series.categories) == (150, 3, 150)
    assert watched_series(store.samples, ENTITY) == []  # late labels are not late traffic


def test_a_chunk_is_joined_once(store: Store) -> None:
    log_predictions(store, scored(10))
    truths = [a_truth(f"id-{at}") for at in range(10)]
    first = tell(store, truths, refused={Outcome.MALFORMED: 2})
    again = tell(store, truths, refused={Outcome.MALFORMED: 2})
    assert again.counts == first.counts == {Outcome.JOINED: 10, Outcome.MALFORMED: 2}
    assert again.is_repeated
    totals = store.truths.totals(ENTITY)
    assert (totals.counts, totals.waiting) == (first.counts, 0)
    progress = store.truths.progress(ENTITY, SOURCE)
    assert (progress.chunks, progress.position, progress.counts) == (1, 100, first.counts)


@pytest.mark.parametrize("seed", [1, 2])
def test_any_order_of_predictions_labels_repetitions_and_corrections_gives_one_result(
    store: Store, seed: int
) -> None:
    shuffled = random.Random(seed)
    records, values = scored(120), values_of(120)
    told = [a_truth(name, value, known_ns=2) for name, value in values.items()]
    told += [a_truth(name, str(1 - int(value)), known_ns=1) for name, value in values.items()]
    told += shuffled.sample(told, 60)
    shuffled.shuffle(told)
    shuffled.shuffle(records)
    now_ns = NOW_NS
    for at in range(4):
        log_predictions(store, records[at * 30 : at * 30 + 30], at + 1)
        tell(store, told[at * 75 : at * 75 + 75], at + 1, now_ns=now_ns + at)
    while store.truths.waiting_entities(now_ns := now_ns + HOUR_NS):
        assert store.truths.join_waiting(BINARY, now_ns, 7)
    assert packed(contents(store)) == packed(expected(records, values))
    totals = store.truths.totals(ENTITY)
    assert (sum(totals.counts.values()), totals.waiting) == (300, 0)
    assert totals.counts[Outcome.JOINED] == 120
    (series,) = store.samples.series(ENTITY, PERFORMANCE)
    assert (series.seen, series.samples) == (120, 3)


def test_a_correction_takes_the_old_label_back_exactly(store: Store) -> None:
    records, values = scored(50), values_of(50)
    log_predictions(store, records)
    tell(store, [a_truth(name, value) for name, value in values.items()])
    assert tell(store, [a_truth("id-7", "1")], 1, source=OTHER).counts == {Outcome.CORRECTED: 1}
    assert packed(contents(store)) == packed(expected(records, {**values, "id-7": "1"}))
    back = tell(store, [a_truth("id-7", "0"), a_truth("id-7", "0")], 2, source=b"u" * 16)
    assert back.counts == {Outcome.CORRECTED: 1, Outcome.REPEATED: 1}
    assert packed(contents(store)) == packed(expected(records, values))


def test_the_digest_of_a_corrected_window_is_made_anew_from_the_log(store: Store) -> None:
    records = scored(40)
    values = {f"id-{at}": repr(at / 7) for at in range(40)}
    log_predictions(store, records)
    told = [a_truth(name, value) for name, value in values.items()]
    tell(store, told, definition=REGRESSION)
    tell(store, [a_truth("id-3", "99.5")], definition=REGRESSION, source=OTHER)
    wanted = expected(records, {**values, "id-3": "99.5"}, REGRESSION)
    # The log is read by identity, so the digest is that of rows in this order.
    (found,), (content,) = contents(store).values(), wanted.values()
    assert isinstance(found, Regression)
    assert isinstance(content, Regression)
    assert found.count == 40
    assert (found.absolute, found.sums) == (content.absolute, content.sums)
    assert found.residuals.numbers.histogram == content.residuals.numbers.histogram


def test_a_source_with_two_labels_for_a_prediction_keeps_its_first(store: Store) -> None:
    log_predictions(store, scored(3))
    counts = tell(store, [a_truth("id-1", "1"), a_truth("id-1", "0")]).counts
    assert counts == {Outcome.JOINED: 1, Outcome.CONTRADICTORY: 1}
    assert tell(store, [a_truth("id-1", "0")], 2).counts == {Outcome.CONTRADICTORY: 1}
    assert tell(store, [a_truth("id-9", "1"), a_truth("id-9", "0")], 3).counts == {
        Outcome.WAITING: 1,
        Outcome.CONTRADICTORY: 1,
    }
    assert packed(contents(store)) == packed(expected(scored(3), {"id-1": "1"}))


def test_a_label_that_is_confirmed_later_is_not_replaced_by_one_from_between(store: Store) -> None:
    log_predictions(store, scored(2))
    told = [a_truth("id-1", "1", known_ns=1), a_truth("id-1", "1", known_ns=9)]
    assert tell(store, told).counts == {Outcome.JOINED: 1, Outcome.REPEATED: 1}
    assert tell(store, [a_truth("id-1", "1", known_ns=12)], 2).counts == {Outcome.REPEATED: 1}
    between = a_truth("id-1", "0", known_ns=11)
    assert tell(store, [between], source=OTHER).counts == {Outcome.OUTDATED: 1}
    assert packed(contents(store)) == packed(expected(scored(2), {"id-1": "1"}))


def test_an_early_label_waits_within_its_time(store: Store) -> None:
    tell(store, [a_truth("id-0", "1"), a_truth("id-1", "1"), a_truth("id-1", "1")])
    assert store.truths.totals(ENTITY).waiting == 2
    log_predictions(store, scored(1))
    later_ns = NOW_NS + 2 * NANOSECONDS
    assert store.truths.waiting_entities(later_ns) == [ENTITY]
    assert store.truths.join_waiting(BINARY, later_ns, 10) == 2
    totals = store.truths.totals(ENTITY)
    assert totals.counts == {Outcome.JOINED: 1, Outcome.REPEATED: 1}
    assert totals.waiting == 1
    assert store.truths.waiting_entities(later_ns) == []  # it is looked for less often
    store.truths.join_waiting(BINARY, NOW_NS + 8 * DAY_NS, 10)
    totals = store.truths.totals(ENTITY)
    assert totals.counts[Outcome.UNKNOWN] == 1
    assert totals.waiting == 0


def test_a_label_by_subject_joins_the_nearest_prediction_before_it(store: Store) -> None:
    minute_ns = 60 * NANOSECONDS
    records = [
        a_prediction(name, time_ns=START_NS + at * minute_ns, subject="c", outputs={"score": 0.7})
        for name, at in (("x", 0), ("", 10), ("y", 20), ("z", 20))
    ]
    log_predictions(store, records)
    times = (-1, 5, 15, 25, 200)
    truths = [a_truth("", "1", subject="c", time_ns=START_NS + at * minute_ns) for at in times]
    counts = tell(store, truths).counts
    assert counts == {Outcome.WAITING: 2, Outcome.JOINED: 2, Outcome.AMBIGUOUS: 1}
    assert tell(store, truths[1:3], 2).counts == {Outcome.REPEATED: 2}
    assert tell(store, [replace(truths[2], value="0")], source=OTHER).counts == {
        Outcome.CORRECTED: 1
    }
    (content,) = contents(store).values()
    assert isinstance(content, Classification)
    assert content.confusion == {("1", "1"): 1, ("1", "0"): 1}


def test_labels_of_subjects_far_apart_read_no_predictions_between(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_predictions(
        store,
        [
            a_prediction(time_ns=START_NS + at * HOUR_NS, subject="ann", prediction_id=f"p{at}")
            for at in range(12)
        ],
    )
    spans = []
    nearest = joining._nearest

    def measured(
        records: Sequence[PredictionRecord], time_ns: int, within_ns: int
    ) -> PredictionKey | Outcome:
        spans.append(len(records))
        return nearest(records, time_ns, within_ns)

    monkeypatch.setattr(joining, "_nearest", measured)
    definition = replace(BINARY, within_seconds=600.0)
    times = [START_NS + at * HOUR_NS + NANOSECONDS for at in (11, 0, 5)]
    truths = [a_truth("", subject="ann", time_ns=time_ns) for time_ns in times]
    assert tell(store, truths, definition=definition).counts == {Outcome.JOINED: 3}
    assert spans == [1, 1, 1]


def test_the_number_of_waiting_rows_is_kept_through_joins_and_erasures(place: Place) -> None:
    store = place.open()
    tell(store, [a_truth(f"id-{at}") for at in range(6)])
    tell(store, [a_truth(f"id-{at}") for at in range(4, 8)], 2)
    log_predictions(store, scored(2))
    store.truths.join_waiting(BINARY, NOW_NS + 2 * NANOSECONDS, 100)
    store.predictions.erase(ENTITY, ["id-5", "id-1"])
    counted = "SELECT count(*) FROM waiting_truths"
    ((waiting,),) = place.change(sqlite=counted, postgresql=counted)
    assert store.truths.totals(ENTITY).waiting == waiting == 5


def test_an_ambiguous_id_joins_nothing(store: Store) -> None:
    log_predictions(store, [a_prediction("x", time_ns=START_NS), a_prediction("y")], 1)
    log_predictions(store, [a_prediction("x", time_ns=START_NS + 5)], 2)
    counts = tell(store, [a_truth("x"), a_truth("y")]).counts
    assert counts == {Outcome.AMBIGUOUS: 1, Outcome.JOINED: 1}


def test_a_correction_after_the_log_has_expired_is_refused(store: Store) -> None:
    log_predictions(store, scored(5))
    tell(store, [a_truth("id-1", "1")])
    before = packed(contents(store))
    while store.predictions.retire(START_NS + 10 * DAY_NS, DAY_NS):
        pass
    counts = tell(store, [a_truth("id-1", "0"), a_truth("id-1", "1")], source=OTHER).counts
    assert counts == {Outcome.EXPIRED: 1, Outcome.REPEATED: 1}
    assert packed(contents(store)) == before


def test_a_window_of_another_definition_is_made_anew(store: Store) -> None:
    records = scored(30)
    log_predictions(store, records)
    values = values_of(30)
    told = [a_truth(name, value) for name, value in values.items()]
    tell(store, told[:20])
    stricter = replace(BINARY, threshold=0.8)
    tell(store, told[20:], 2, definition=stricter)
    assert packed(contents(store)) == packed(expected(records, values, stricter))


def test_windows_are_separate_by_label_set(store: Store) -> None:
    records = [
        a_prediction(f"id-{at}", outputs={"score": 0.9}, labels=Labels.of(version=str(at % 2)))
        for at in range(4)
    ]
    log_predictions(store, records)
    values = {f"id-{at}": "1" for at in range(4)}
    tell(store, [a_truth(name, value) for name, value in values.items()])
    assert packed(contents(store)) == packed(expected(records, values))
    assert len(contents(store)) == 2


@pytest.mark.parametrize("days", [0, 3])
def test_roll_ups_follow_a_revision(place: Place, days: int) -> None:
    from support.rolling import Rolling

    store = place.open()
    records, values = scored(20), values_of(20)
    log_predictions(store, records)
    told = [a_truth(name, value) for name, value in values.items()]
    rolling = Rolling(store)
    tell(store, told[:10], now_ns=NOW_NS)
    rolling.roll_up(NOW_NS + 2 * DAY_NS)
    tell(store, told[10:], 2, now_ns=NOW_NS + days * DAY_NS)
    wanted = packed(expected(records, values))
    assert packed(contents(store)) == wanted
    for level in (Level.FIVE_MINUTES, Level.HOUR):
        assert packed(contents(store, level)) == wanted
    rolling.roll_up(NOW_NS + 6 * DAY_NS)
    for level in (Level.FIVE_MINUTES, Level.HOUR):
        assert packed(contents(store, level)) == wanted
    counts = {one.level: one.rows for one in store.rollups.levels()}
    assert counts[Level.SHIPPED] == 1
    assert counts[Level.FIVE_MINUTES] == 1


def test_a_revision_replaces_a_window_whose_sample_retention_has_removed(store: Store) -> None:
    from support.rolling import Rolling

    records, values = scored(20), values_of(20)
    log_predictions(store, records)
    told = [a_truth(name, value) for name, value in values.items()]
    rolling = Rolling(store)
    tell(store, told[:10], now_ns=NOW_NS)
    rolling.roll_up(NOW_NS + 2 * DAY_NS)
    keep = {level: (DAY_NS if level is Level.SHIPPED else 400 * DAY_NS) for level in Level}
    for _ in range(4):
        store.rollups.retire(NOW_NS + 5 * DAY_NS, keep)
    tell(store, told[10:], 2, now_ns=NOW_NS + 5 * DAY_NS)
    wanted = packed(expected(records, values))
    for level in (Level.SHIPPED, Level.FIVE_MINUTES, Level.HOUR):
        assert packed(contents(store, level)) == wanted
    rolling.roll_up(NOW_NS + 9 * DAY_NS)
    for level in (Level.SHIPPED, Level.FIVE_MINUTES, Level.HOUR):
        assert packed(contents(store, level)) == wanted


def test_labels_and_chunks_are_removed_with_their_age(store: Store) -> None:
    log_predictions(store, scored(5))
    tell(store, [a_truth("id-1"), a_truth("id-2")])
    assert store.truths.retire(NOW_NS + DAY_NS, 2 * DAY_NS) == 0
    assert store.truths.retire(NOW_NS + 4 * DAY_NS, 2 * DAY_NS) == 4
    assert store.truths.progress(ENTITY, SOURCE).chunks == 0
    assert Counter(store.truths.totals(ENTITY).counts) == {Outcome.JOINED: 2}
    # The samples of removed windows are still stored, and that of a new window is another one.
    new_ns = NOW_NS + 4 * DAY_NS
    log_predictions(store, [a_prediction("new", time_ns=new_ns, outputs={"score": 0.9})], 2)
    assert tell(store, [a_truth("new")], now_ns=new_ns).counts == {Outcome.JOINED: 1}


def test_labels_of_old_events_are_kept_after_their_arrival(store: Store) -> None:
    log_predictions(store, scored(2))
    late_ns = NOW_NS + 90 * DAY_NS
    tell(store, [a_truth("id-1")], now_ns=late_ns)
    assert store.truths.retire(late_ns + DAY_NS, 2 * DAY_NS) == 0
    counts = tell(store, [a_truth("id-1")], source=OTHER, now_ns=late_ns + DAY_NS).counts
    assert counts == {Outcome.REPEATED: 1}
    assert packed(contents(store)) == packed(expected(scored(2), {"id-1": "1"}))


@pytest.mark.parametrize("by_id", [True, False])
def test_labels_are_erased_with_their_predictions(place: Place, *, by_id: bool) -> None:
    store = place.open()
    records = [
        a_prediction(name, time_ns=START_NS + at, subject=subject, outputs={"score": 0.5})
        for at, (name, subject) in enumerate(
            (("x", "ann"), ("y", "bob"), ("", "ann"), ("", "bob"), ("z", "bob"))
        )
    ]
    log_predictions(store, records)
    told = [
        *(a_truth(name, "1.0") for name in ("x", "y", "early")),
        *(a_truth("", "2.0", subject=who, time_ns=START_NS + 3) for who in ("ann", "bob")),
        a_truth("", "2.0", subject="ann", time_ns=START_NS - 5),
    ]
    counts = tell(store, told, definition=REGRESSION).counts
    assert counts == {Outcome.JOINED: 4, Outcome.WAITING: 2}
    before = packed(contents(store))
    if by_id:
        assert store.predictions.erase(ENTITY, ["x", "early"]) == 1
        names = {"y", "ann", "bob"}
    else:
        assert store.predictions.erase_subject(ENTITY, "ann") == 2
        names = {"y", "bob"}
    assert store.truths.totals(ENTITY).waiting == 1
    assert packed(contents(store)) == before
    # The erased predictions stay in the counts, so the window is not made anew without them.
    counts = tell(
        store,
        [a_truth("y", "3.0"), a_truth("z", "4.0"), a_truth("x", "5.0")],
        definition=REGRESSION,
        source=OTHER,
    ).counts
    assert counts == {Outcome.EXPIRED: 1, Outcome.JOINED: 1, Outcome.WAITING: 1}
    (content,) = contents(store).values()
    assert isinstance(content, Regression)
    assert content.count == 5
    names_of = "SELECT name FROM truths"
    stored = place.change(sqlite=names_of, postgresql=names_of)
    assert {name for (name,) in stored} == names | {"z"}


def test_labels_of_another_task_do_not_stop_a_join(store: Store) -> None:
    log_predictions(store, scored(3))
    tell(store, [a_truth("id-1", "fraud"), a_truth("id-9", "fraud"), a_truth("id-8", "7")])
    counts = tell(store, [a_truth("id-2", "0.5")], 2, definition=REGRESSION).counts
    assert counts == {Outcome.JOINED: 1}
    (content,) = contents(store).values()
    assert isinstance(content, Regression)
    assert (content.count, content.unlabelled) == (1, 1)
    log_predictions(store, [a_prediction(name, time_ns=START_NS) for name in ("id-9", "id-8")], 2)
    assert store.truths.join_waiting(REGRESSION, NOW_NS + HOUR_NS, 10) == 2
    totals = store.truths.totals(ENTITY)
    assert (totals.counts[Outcome.WRONG_TYPE], totals.waiting) == (1, 0)
    (content,) = contents(store).values()
    assert isinstance(content, Regression)
    assert (content.count, content.unlabelled) == (2, 1)


def test_a_damaged_window_is_made_anew_with_all_labels(place: Place) -> None:
    records, values = scored(20), values_of(20)
    store = place.open()
    log_predictions(store, records)
    told = [a_truth(name, value) for name, value in values.items()]
    tell(store, told[:10])
    damage = "UPDATE judged_windows SET crc = crc + 1"
    place.change(sqlite=damage, postgresql=damage)
    tell(store, told[10:], 2)
    assert packed(contents(store)) == packed(expected(records, values))


def test_a_chunk_without_a_source_is_not_remembered(place: Place) -> None:
    store = place.open()
    log_predictions(store, scored(2))
    told = [a_truth("id-1")]
    assert tell(store, told, source=None).counts == {Outcome.JOINED: 1}
    assert tell(store, told, source=None).counts == {Outcome.REPEATED: 1}
    assert tell(store, [a_truth("id-1", "0")], source=None).counts == {Outcome.CORRECTED: 1}
    count = "SELECT count(*) FROM truth_chunks"
    assert place.change(sqlite=count, postgresql=count) == [(0,)]
