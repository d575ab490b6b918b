"""Logged predictions are stored once, found by id and by subject, erased and retired."""

import msgspec
import pytest
from support.predicted import a_prediction, log_predictions
from support.rolling import DAY_NS
from support.stores import NewPlace, Place

from nilometer.predictions import PredictionRecord, Scalar
from nilometer.values.labels import Labels
from nilometer_collector.errors import Refused
from nilometer_collector.store import Logged, Predicted, PredictionTotals, Store
from nilometer_collector.testing import ENTITY, START_NS

END_NS = START_NS + 400 * DAY_NS


def everything(store: Store, entity: str = ENTITY, limit: int = 2) -> list[PredictionRecord]:
    """Read all predictions of *entity*, in small pages."""
    found: list[PredictionRecord] = []
    after: int | None = 0
    while after is not None:
        page = store.predictions.read(entity, 0, END_NS, after, limit)
        found += page.records
        after = page.last
    return found


def test_a_request_of_several_rows_is_found_with_all_rows(store: Store) -> None:
    labels = Labels.of(version="3", region="eu")
    rows = [a_prediction("x", row, labels=labels) for row in (2, 0, 1)]
    other = a_prediction("x", 0, entity="other", outputs={"price": 1.5, "note": None})
    assert log_predictions(store, [*rows, other]).predicted == Predicted(stored=4)
    found = store.predictions.find(ENTITY, ["x", "missing", "x"])
    assert found == {"x": Logged((rows[1], rows[2], rows[0]), is_ambiguous=False)}
    assert store.predictions.find("other", ["x"]) == {"x": Logged((other,), is_ambiguous=False)}


def test_values_keep_their_types(store: Store) -> None:
    outputs: dict[str, Scalar] = {
        "i": 1,
        "f": 1.0,
        "t": True,
        "s": "é",
        "n": None,
        "big": (1 << 64) - 1,
    }
    log_predictions(store, [a_prediction("x", outputs=outputs)])
    (record,) = store.predictions.find(ENTITY, ["x"])["x"].rows
    assert repr(record.outputs) == repr(outputs)


def test_a_resend_stores_nothing_again(store: Store) -> None:
    rows = [a_prediction("x", 0), a_prediction("y", 0)]
    assert log_predictions(store, rows, 1).stored == 1
    again = log_predictions(store, rows, 1)
    assert (again.stored, again.repeated, again.predicted) == (0, 1, Predicted())
    replaced = log_predictions(store, rows, 1, epoch=b"q" * 16)  # the outbox was made anew
    assert replaced.predicted == Predicted(repeated=2)
    assert store.predictions.totals()[ENTITY].rows == 2
    assert not any(one.is_ambiguous for one in store.predictions.find(ENTITY, ["x", "y"]).values())


@pytest.mark.parametrize("together", [True, False])
def test_an_id_of_two_predictions_is_ambiguous_with_all_its_rows(
    store: Store, *, together: bool
) -> None:
    first = [a_prediction("x", 0), a_prediction("x", 1), a_prediction("y")]
    second = [
        a_prediction("x", 0, time_ns=START_NS + 1),
        a_prediction("x", 5, time_ns=START_NS + 1),
    ]
    if together:
        predicted = log_predictions(store, first + second).predicted
        assert predicted == Predicted(4, conflicting=1, ambiguous=((ENTITY, "x"),))
    else:
        log_predictions(store, first, 1)
        predicted = log_predictions(store, second, 2).predicted
        assert predicted == Predicted(1, conflicting=1, ambiguous=((ENTITY, "x"),))
    found = store.predictions.find(ENTITY, ["x", "y"])
    assert found["x"].is_ambiguous
    assert [record.row for record in found["x"].rows] == [0, 1, 5]
    assert found["x"].rows[0] == first[0]  # the first content is kept
    assert not found["y"].is_ambiguous
    assert store.predictions.totals()[ENTITY].ambiguous == 3
    third = log_predictions(store, [a_prediction("x", 9)], 3).predicted
    assert third == Predicted(1)  # it is known to be ambiguous, and the new row gets the mark
    assert store.predictions.totals()[ENTITY].ambiguous == 4


def test_rows_are_found_by_subject_and_time(store: Store) -> None:
    rows = [
        a_prediction("", time_ns=START_NS + at, subject=subject)
        for at, subject in enumerate(["ann", "bob", "ann", "ann"])
    ]
    log_predictions(store, rows[::-1])
    found = store.predictions.of_subjects(ENTITY, ["ann", "eve", "ann"], START_NS, START_NS + 3)
    assert found == {"ann": [rows[0], rows[2]]}


def test_rows_without_an_id_are_stored_once_and_never_ambiguous(store: Store) -> None:
    rows = [a_prediction("", subject="ann", outputs={"score": score}) for score in (0.1, 0.2, 0.1)]
    assert log_predictions(store, rows, 1).predicted == Predicted(2, repeated=1)
    assert log_predictions(store, rows, 2).predicted == Predicted(repeated=3)
    assert store.predictions.of_subjects(ENTITY, ["ann"], 0, END_NS) == {"ann": rows[:2]}


def test_ambiguous_rows_are_not_found_by_subject(store: Store) -> None:
    log_predictions(store, [a_prediction("x", subject="ann")], 1)
    log_predictions(store, [a_prediction("x", subject="bob"), a_prediction("y", subject="ann")], 2)
    found = store.predictions.of_subjects(ENTITY, ["ann", "bob"], 0, END_NS)
    assert [record.prediction_id for record in found["ann"]] == ["y"]
    assert "bob" not in found


def test_erased_predictions_are_gone(store: Store) -> None:
    rows = [a_prediction(f"id-{at}", subject="ann" if at % 2 else "bob") for at in range(6)]
    log_predictions(store, [*rows, a_prediction("id-0", entity="other")])
    assert store.predictions.erase(ENTITY, ["id-0", "nothing"]) == 1
    assert store.predictions.erase(ENTITY, ["id-0"]) == 0
    assert store.predictions.erase_subject(ENTITY, "ann") == 3
    assert store.predictions.erase_subject(ENTITY, "eve") == 0
    assert everything(store) == [rows[2], rows[4]]
    assert store.predictions.find(ENTITY, ["id-0", "id-1"]) == {}
    assert len(everything(store, "other")) == 1
    assert store.predictions.totals()[ENTITY].rows == 2


def test_pages_contain_every_row_of_the_span_once(store: Store) -> None:
    rows = [a_prediction(f"id-{at}", time_ns=START_NS + at) for at in range(7)]
    log_predictions(store, rows[:4], 1)
    log_predictions(store, [a_prediction(entity="other")], 2)
    log_predictions(store, rows[4:], 3, now_ns=START_NS + DAY_NS)
    for limit in (1, 3, 7, 8):
        assert everything(store, limit=limit) == rows
    page = store.predictions.read(ENTITY, START_NS + 2, START_NS + 4)
    assert (page.records, page.last) == (tuple(rows[2:4]), None)


def test_old_days_are_removed(store: Store) -> None:
    for day in range(4):
        rows = [a_prediction(f"id-{day}-{at}", time_ns=START_NS + day * DAY_NS) for at in range(2)]
        log_predictions(store, rows, day + 1, now_ns=START_NS + day * DAY_NS)
    now_ns = START_NS + 3 * DAY_NS
    removed = 0
    while step := store.predictions.retire(now_ns, 2 * DAY_NS):
        removed += step
    assert removed == 2
    assert store.predictions.find(ENTITY, ["id-0-0"]) == {}
    assert store.predictions.totals()[ENTITY].rows == len(everything(store)) == 6
    assert log_predictions(store, [a_prediction("late")], 9, now_ns=START_NS).stored == 1


def test_totals_count_rows_and_bytes(store: Store) -> None:
    assert store.predictions.totals() == {}
    log_predictions(store, [a_prediction(f"id-{at}") for at in range(3)])
    totals = store.predictions.totals()
    assert totals == {ENTITY: PredictionTotals(3, totals[ENTITY].bytes, 0)}
    assert 3 * 10 < totals[ENTITY].bytes < 3 * 40
    store.predictions.erase(ENTITY, [f"id-{at}" for at in range(3)])
    assert store.predictions.totals() == {}


def test_texts_that_a_store_cannot_keep_are_refused(store: Store) -> None:
    for bad in ("a\0b", "\ud800"):
        with pytest.raises(Refused):
            log_predictions(store, [a_prediction("fine"), a_prediction(bad)])
    assert store.predictions.totals() == {}


def test_predictions_survive_a_restart(place: Place) -> None:
    store = place.open()
    rows = [a_prediction("x", row, subject="ann") for row in range(3)]
    log_predictions(store, rows)
    store.close()
    again = place.open()
    assert again.predictions.find(ENTITY, ["x"])["x"].rows == tuple(rows)


def test_a_corrupt_row_is_left_out(new_place: NewPlace) -> None:
    place = new_place()
    store = place.open()
    log_predictions(store, [a_prediction("x"), a_prediction("y")])
    broken = "UPDATE predictions SET crc = crc + 1 WHERE number = 1"
    place.change(sqlite=broken, postgresql=broken)
    assert list(store.predictions.find(ENTITY, ["x", "y"])) == ["y"]
    assert len(everything(store)) == 1


def test_many_ids_are_found_at_once(store: Store) -> None:
    rows = [a_prediction(f"id-{at}", time_ns=START_NS + at) for at in range(3000)]
    log_predictions(store, rows)
    found = store.predictions.find(ENTITY, [f"id-{at}" for at in range(0, 6000, 2)])
    assert len(found) == 1500
    assert all(one.rows[0].prediction_id == name for name, one in found.items())


def test_two_stores_of_one_database_find_a_conflict(new_place: NewPlace) -> None:
    place = new_place()
    first = place.open()
    log_predictions(first, [a_prediction("x")])
    if type(first).__name__ == "SqliteStore":
        first.close()  # one process opens a SQLite file
    second = place.open()
    changed = msgspec.structs.replace(a_prediction("x"), outputs={"score": 0.9, "class": "ham"})
    assert log_predictions(second, [changed], 2).predicted.ambiguous == ((ENTITY, "x"),)
