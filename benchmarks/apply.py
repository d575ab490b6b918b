"""Apply 1,000 objects of all kinds over HTTP: under 2 s; a second apply changes nothing and says so."""

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from nilometer.batch.reference_upload import put_reference
from nilometer_collector.commands.declared_files import read_files
from nilometer_collector.declared.registered import KINDS
from nilometer_collector.demo.postgresql import programs, running_server
from nilometer_collector.testing import Running, a_reference, feature_sample, running

OBJECTS = 1000
MOST_SECONDS = 2.0
FEW = {"channels": 50, "targets": 50, "routes": 50}  # kinds of which a collector has few
VARIABLE = "BENCHMARK_SECRET"
KEY = "a-key-of-a-benchmark"
SECRET = "https://93.184.216.34/hook"


class Timed(NamedTuple):
    """An apply: its answer, and its seconds on the wall and of this process's cores."""

    answer: Mapping[str, Any]
    wall: float
    cores: float


def entity(number: int) -> str:
    return f"model-{number:04}"


def one(kind: str, number: int, digest: str) -> dict[str, object]:
    """Return object *number* of a kind."""
    name, of = f"object-{number:04}", {"entity": entity(number)}
    secrets = {"url": f"{SECRET}/{number}", "signing_key": KEY}
    found: dict[str, dict[str, object]] = {
        "entities": {"name": entity(number), "owner": "team@example.com", "reads_from": ["source"]},
        "summaries": {**of, "name": "input.amount", "unit": "EUR", "tolerance": 0.2},
        "references": {**of, "name": "training", "digest": digest, "expires": "2030-01-01"},
        "channels": {"name": name, "kind": "webhook", "secrets": secrets},
        "targets": {"name": name, "kind": "webhook", "secrets": secrets},
        "alerters": {
            **of,
            "name": "late",
            "summary": "service",
            "kind": "FIXED",
            "statistic": "latency_p99_seconds",
            "threshold": 2.0,
        },
        "watch": {**of, "budget_days": 60.0},
        "routes": {"name": name, "channels": ["object-0000"], "entities": [entity(number)]},
        "actions": {**of, "name": "retrain", "cure": "retrain", "target": "object-0000"},
        "silences": {
            **of,
            "name": "deployment",
            "reason": "weekly deployment",
            "from": "2026-01-04T02:00Z",
            "until": "2026-01-04T03:00Z",
            "repeat": "weekly",
        },
        "performance": {**of, "task": "binary", "score": "p"},
    }
    return found[kind]


def document_of(count: int, digests: Mapping[str, str]) -> dict[str, object]:
    """Return *count* objects of all kinds, each kind as often as the others if it has no limit."""
    kinds = [kind.plural for kind in KINDS]
    rest = count - sum(FEW.values())
    often = [kind for kind in kinds if kind not in FEW]
    sizes = {kind: rest // len(often) + (at < rest % len(often)) for at, kind in enumerate(often)}
    sizes |= FEW
    return {
        "version": 1,
        **{
            kind: [one(kind, number, digests.get(entity(number), "")) for number in range(size)]
            for kind, size in sizes.items()
        },
    }


def timed(served: Running, document: Mapping[str, object]) -> Timed:
    wall, cores = time.perf_counter(), time.process_time()
    response = served.http.post("/api/v1/apply", json=document, timeout=60)
    wall, cores = time.perf_counter() - wall, time.process_time() - cores
    if response.is_error:
        raise RuntimeError(response.text)
    return Timed(response.json(), wall, cores)


def uploaded(served: Running, number: int) -> str:
    """Upload the reference of an entity, and return its digest; ship a window, too."""
    reference = a_reference({"input.amount": [1.0, 2.0]}, entity=entity(number))
    put_reference(reference, served.collector.grpc_target)
    served.sender(f"pod-{number}").ship(feature_sample([1.0, 2.0], entity=entity(number)))
    return reference.digest


def read_again(document: Mapping[str, object], file: Path) -> tuple[int, float]:
    """Write *document* to *file*, and read it; return the number of objects and the core seconds."""
    named = {"url": {"env": VARIABLE}, "signing_key": {"env": VARIABLE}}
    os.environ[VARIABLE] = KEY
    plain = msgspec.json.decode(msgspec.json.encode(document))
    for receiver in plain["channels"] + plain["targets"]:
        receiver["secrets"] = named
    file.write_bytes(msgspec.json.encode(plain))
    started = time.process_time()
    count = read_files([file]).count
    return count, time.process_time() - started


def measured(store: str, served: Running, folder: Path) -> bool:
    """Apply twice, and print both; return whether the goals are met."""
    most = OBJECTS // len(KINDS) * 2  # more than one kind has
    digests = {entity(number): uploaded(served, number) for number in range(most)}
    document = document_of(OBJECTS, digests)
    before = len(served.get("changes")["revisions"])
    first, second = timed(served, document), timed(served, document)
    made = len(served.get("changes", limit=10_000)["revisions"]) - before
    parsed, parsing = read_again(document, folder / f"{store}.json")
    fine = (
        max(first.wall, second.wall) < MOST_SECONDS
        and len(first.answer["changes"]) == OBJECTS == parsed
        and (second.answer["changes"], second.answer["unchanged"]) == ([], OBJECTS)
        and second.answer["revision"] is None
    )
    print(
        f"{store:<10} {OBJECTS} objects of {len(KINDS)} kinds: first {first.wall:.2f} s "
        f"({first.cores:.2f} s of a core), {made} revision; second {second.wall:.2f} s "
        f"({second.cores:.2f} s), {second.answer['unchanged']} unchanged; "
        f"reading the file {parsing:.2f} s of a core: {'met' if fine else 'MISSED'}",
        flush=True,
    )
    return fine


def stores(folder: Path, stack: ExitStack) -> Iterator[tuple[str, Running]]:
    """Yield each store with a collector on it."""
    yield "sqlite", stack.enter_context(running(folder / "sqlite" / "collector.db"))
    programs_folder = programs()
    if programs_folder is None:
        print("postgresql: not measured, because its programs or setpriv are not installed")
        return
    server = stack.enter_context(running_server(programs_folder))
    url = server.create_database()
    yield "postgresql", stack.enter_context(running(None, store=url))


def main() -> int:
    fine = True
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        for store, served in stores(Path(name), stack):
            fine &= measured(store, served, Path(name))
    return 0 if fine else 1
