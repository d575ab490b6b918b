"""Logged predictions for tests."""

from collections.abc import Iterable, Mapping

from nilometer.predictions import NO_LABELS, PredictionRecord, Scalar
from nilometer.values.labels import Labels
from nilometer_collector.store import Arrival, PredictionRows, Shipment, Shipped, Store
from nilometer_collector.testing import ENTITY, START_NS

EPOCH = b"p" * 16


def a_prediction(
    prediction_id: str = "id-1",
    row: int = 0,
    *,
    entity: str = ENTITY,
    time_ns: int = START_NS,
    outputs: Mapping[str, Scalar] | None = None,
    labels: Labels = NO_LABELS,
    subject: str = "",
) -> PredictionRecord:
    """Return one row of a prediction; its score depends on the row."""
    return PredictionRecord(
        entity=entity,
        prediction_id=prediction_id,
        row=row,
        time_ns=time_ns,
        outputs={"score": row / 8, "class": "spam"} if outputs is None else outputs,
        labels=labels,
        subject=subject,
    )


def log_predictions(
    store: Store,
    records: Iterable[PredictionRecord],
    sequence: int = 1,
    *,
    epoch: bytes = EPOCH,
    now_ns: int = START_NS,
) -> Shipped:
    """Ship *records* as one row of an agent's outbox."""
    arrival = Arrival(sequence=sequence, content=PredictionRows(tuple(records)))
    shipment = Shipment(agent="pod-1", epoch=epoch, oldest_held=0, arrivals=[arrival])
    return store.ship(shipment, now_ns)
