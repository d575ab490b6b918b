"""Ground truth that a child tells a store while it is killed: what it tells, and what must come of it."""

import random

from msgspec.structs import replace
from support.predicted import log_predictions
from support.truths import BINARY, NOW_NS, SOURCE, a_truth, scored, tell

from nilometer.predictions import PredictionRecord
from nilometer_collector.ground_truth.truths import Truth
from nilometer_collector.store import Store
from nilometer_collector.testing import ENTITY

ROWS = 10  # rows of a chunk, and predictions that are logged before it
HOUR_NS = 3600 * 10**9


def told(seed: int, count: int) -> tuple[list[PredictionRecord], list[Truth]]:
    """Return *count* predictions in the order of their arrival, and their labels.

    Some labels are told before their predictions, some twice, and some are corrected.
    """
    drawn = random.Random(seed)
    records = scored(count)
    truths = [
        a_truth(record.prediction_id, str(at % 2), known_ns=1) for at, record in enumerate(records)
    ]
    more = [
        replace(one, value="1", known_ns=at + 2) for at, one in enumerate(truths) if at % 5 == 0
    ]
    truths += [*more, *drawn.sample(truths, count // 4)]
    drawn.shuffle(records)
    drawn.shuffle(truths)
    return records, truths


def values(truths: list[Truth]) -> dict[str, str]:
    """Return the label of each prediction: that which became known last."""
    found: dict[str, str] = {}
    for one in sorted(truths, key=lambda one: one.known_ns):
        found[one.prediction_id] = one.value
    return found


def go_on(store: Store, seed: int, count: int) -> None:
    """Log and tell what *store* lacks; the last chunk that it has is told again."""
    records, truths = told(seed, count)
    first = max(store.truths.progress(ENTITY, SOURCE).chunks, 1)
    chunks = (len(truths) + ROWS - 1) // ROWS
    for number in range(first, chunks + 1):
        at = (number - 1) * ROWS
        log_predictions(store, records[at : at + ROWS], number)
        tell(store, truths[at : at + ROWS], number)
        store.truths.join_waiting(BINARY, NOW_NS + HOUR_NS, ROWS)
    now_ns = NOW_NS + HOUR_NS
    while store.truths.waiting_entities(now_ns := now_ns + HOUR_NS):
        store.truths.join_waiting(BINARY, now_ns, 1000)
    store.close()
