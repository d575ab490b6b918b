"""Ships profiles into a store, and rolls them up; prints profiles per second. Run by `benchmarks.ingest`.

The store is in this process, so its part of a collector's work is measured, without gRPC. Every
shipment contains one profile of each feature, like an agent's shipment after a window has closed.
The same is measured from the bytes of a call to its reply, which includes all checks of rows.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from nilometer.profile import SummarySample
from nilometer.testing import SteppedClock
from nilometer.wire.lean import is_lean
from nilometer.wire.samples import sample_to_bytes
from nilometer.wire.services import ShipRequest
from nilometer_collector.access.needs import Need
from nilometer_collector.access.rights import Access
from nilometer_collector.access.secret import Secret
from nilometer_collector.counters import Counters
from nilometer_collector.ingest.ingest import SERVICE_NAME, Ingest
from nilometer_collector.store import Arrival, SampleRow, Shipment, Store, open_store
from nilometer_collector.testing import START_NS, feature_sample, minute

FEATURES = 1000  # profiles of one shipment
PODS = 4
MINUTES = 6
ROLLED_UP_NS = START_NS + 10 * 86_400 * 10**9  # later than all samples, so that every part is due


def row_of(sample: SummarySample, payload: bytes) -> SampleRow:
    """Return a row of this version, or of an older one, whose rows hold their samples."""
    if hasattr(SampleRow, "of"):
        return SampleRow.of(sample, payload)
    make: Callable[..., SampleRow] = SampleRow
    return make(sample=sample, payload=payload)


def samples() -> list[tuple[SummarySample, bytes]]:
    made = []
    for feature in range(FEATURES):
        values = [float(at) * 1.37 % 91 for at in range(300)]
        sample = feature_sample(values, summary=f"input.f{feature}")
        made.append((sample, sample_to_bytes(sample)))
    return made


def shipments() -> Iterator[Shipment]:

    base = samples()
    for number in range(MINUTES):
        window = minute(number)
        placed = [row_of(replace(sample, window=window), payload) for sample, payload in base]
        for pod in range(PODS):
            first = number * FEATURES + 1
            arrivals = [Arrival(sequence=at, content=row) for at, row in enumerate(placed, first)]
            yield Shipment(
                agent=f"pod-{pod}", epoch=bytes([pod]) * 16, oldest_held=first, arrivals=arrivals
            )


def received(store: Store) -> float:
    """Return the profiles per second of CPU of whole calls: parsed, checked, stored, replied to."""
    clock = SteppedClock(wall_ns=START_NS)
    ship = Ingest(store, clock, Counters(), lambda: None).methods[f"/{SERVICE_NAME}/Ship"]
    calls = []
    for at, shipment in enumerate(shipments()):
        call = ShipRequest(agent=f"{shipment.agent}-called", epoch=bytes([at]) * 16)
        for arrival in shipment.arrivals:
            assert isinstance(arrival.content, SampleRow)
            row = call.rows.add(sequence=arrival.sequence)
            row.sample.ParseFromString(arrival.content.payload)
        calls.append(call.SerializeToString())
    used = time.process_time()
    for content in calls:
        assert is_lean(content, ShipRequest)
        reply = ship.answer(ShipRequest.FromString(content), Access(None, Need.SHIP))
        assert not reply.SerializeToString()
    return len(calls) * FEATURES / (time.process_time() - used)


def rolled_up(store: Store) -> float | None:
    """Return the samples rolled up per second of one thread; None for a version without roll-ups."""
    try:
        from nilometer_collector.rollups.worker import RollUpWorker
        from nilometer_collector.store import LEVELS
    except ImportError:
        return None
    clock = SteppedClock(wall_ns=ROLLED_UP_NS)
    keep_ns = dict.fromkeys(LEVELS, ROLLED_UP_NS)
    worker = RollUpWorker(store, keep_ns, clock, Counters())
    start = time.perf_counter()
    while worker.roll_up():
        clock.step(60.0)
    return MINUTES * PODS * FEATURES / (time.perf_counter() - start)


def main() -> None:
    place = sys.argv[1]
    is_url = place.startswith("postgresql:")
    store = open_store(Secret(place) if is_url else Path(place), "")
    first, *rest = shipments()
    store.ship(first, START_NS)
    start, used = time.perf_counter(), time.process_time()
    for shipment in rest:
        assert store.ship(shipment, START_NS).stored == FEATURES
    shipped = len(rest) * FEATURES
    found = {
        "wall": shipped / (time.perf_counter() - start),
        "processor": shipped / (time.process_time() - used),
        "payload": len(rest[0].arrivals[0].content.payload),  # type: ignore[union-attr]
        "rolled_up": rolled_up(store),
        "received": received(store),
    }
    store.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
