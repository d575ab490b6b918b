"""Kill -9 in the midst of joins: every label is counted once."""

import random
from collections.abc import Callable
from pathlib import Path

from faults.told_truths import told, values
from faults.zygote import Zygote
from support.stores import PostgresqlPlace, SqlitePlace
from support.truths import contents, expected, packed

from nilometer_collector.demo.postgresql import Server
from nilometer_collector.store import Store
from nilometer_collector.testing import ENTITY

KILLED = -9
MOST_STATEMENTS = 90  # before a kill; the statements of the start and of about two chunks


def kills(zygote: Zygote, place: str, opened: Callable[[], Store], *, seed: int, count: int) -> str:
    """Kill joins *count* times, finish them, and compare all windows with those of an oracle."""
    drawn, done = random.Random(seed), 0
    rows = 8 * count
    opened().close()  # the migrations are not what is killed
    while done < count:
        step = drawn.randint(1, MOST_STATEMENTS)
        code = zygote.run("ground_truth", store=place, step=step, seed=seed, rows=rows)
        assert code in {0, KILLED}, zygote.log()[-3000:]
        if code == 0:
            break
        done += 1
    assert zygote.run("ground_truth", store=place, step=0, seed=seed, rows=rows) == 0
    records, truths = told(seed, rows)
    store = opened()
    try:
        assert packed(contents(store)) == packed(expected(records, values(truths)))
        totals = store.truths.totals(ENTITY)
        assert (sum(totals.counts.values()), totals.waiting) == (len(truths), 0)
    finally:
        store.close()
    assert done > count // 2, f"only {done} kills: the joins ended too early"
    return f"{done} kills, {len(truths)} rows: each counted once"


def test_labels_are_counted_once_through_kills_in_sqlite(zygote: Zygote, tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path / "state" / "collector.db")
    kills(zygote, str(place.path), place.open, seed=3, count=10)


def test_labels_are_counted_once_through_kills_in_postgresql(
    zygote: Zygote, postgresql: Server
) -> None:
    place = PostgresqlPlace(postgresql, postgresql.create_database())
    try:
        kills(zygote, place.url, place.open, seed=4, count=10)
    finally:
        place.close()
