"""Products of two things that a client chooses, as batches for an agent."""

import base64
import gzip
import json
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

MINUTE_NS = 60 * 10**9
START_NS = 1_700_000_000 * 10**9 // MINUTE_NS * MINUTE_NS
JSON = "application/json"
MIB = 1 << 20  # what a body may be once its content encoding is undone

Observation = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """Observations of one batch, and what the batch says of them."""

    observations: Sequence[Observation]
    entity: str = "products"
    labels: dict[str, str] = field(default_factory=dict)
    event_time_field: str = ""


def one(
    body: bytes,
    answer: bytes = b'{"y": 1}',
    *,
    kind: str = JSON,
    packed: bool = False,
    answer_kind: str = JSON,
    minute: int = 0,
    gaps: bytes = b"",
    labels: dict[str, str] | None = None,
    values: bytes = b"",
    path: str = "/predict",
) -> Observation:
    """An observation as it travels."""
    return (
        *(START_NS + minute * MINUTE_NS, 0.01, 200, "ok", "POST", path, len(body), len(answer)),
        *(kind, "gzip" if packed else "", answer_kind, "", body, answer, "", 1, 0.01),
        *(len(gaps) // 4, gaps, "completed" if gaps else "", "", "", "", labels, values),
    )


def keys(count: int, prefix: str = "k", value: object = 1) -> bytes:
    """An object of *count* keys."""
    return json.dumps({f"{prefix}{at}": value for at in range(count)}).encode()


def of_rows(rows: Sequence[object]) -> bytes:
    return json.dumps({"instances": rows}).encode()


def batches(observations: Iterator[Observation], size: int = 64, **more: Any) -> Iterator[Sent]:
    """*observations* in batches of *size*."""
    held: list[Observation] = []
    for observation in observations:
        held.append(observation)
        if len(held) == size:
            yield Sent(held, **more)
            held = []
    if held:
        yield Sent(held, **more)


Case = Callable[[random.Random], Iterator[Sent]]


def rows_by_known_features(_: random.Random) -> Iterator[Sent]:
    yield Sent([one(keys(1000))])
    bomb = gzip.compress(b"[" + b"1," * 200_000 + b"1]")
    yield from batches((one(bomb, packed=True) for _ in range(64)), 64)


def rows_by_columns(draw: random.Random) -> Iterator[Sent]:
    row = {f"k{at}": draw.random() for at in range(1000)}
    body = gzip.compress(json.dumps([row] * 40).encode())
    yield from batches((one(body, packed=True) for _ in range(128)), 32)


def rows_by_columns_of_their_own(_: random.Random) -> Iterator[Sent]:
    body = b"[" + b",".join(b'{"c%d":1}' % (at % 999) for at in range(18_000)) + b"]"
    yield from batches((one(body) for _ in range(24)), 8)


def columns_by_windows(_: random.Random) -> Iterator[Sent]:
    body = keys(1000)
    yield from batches((one(body, minute=at) for at in range(128)), 64)


def known_features_by_windows(_: random.Random) -> Iterator[Sent]:
    yield Sent([one(keys(1000))])
    yield from batches((one(b'{"k1":1}', minute=at) for at in range(600)), 64)


def times_in_bodies_by_windows(draw: random.Random) -> Iterator[Sent]:
    bodies = (json.dumps({"t": draw.randrange(1 << 32), "a": 1}).encode() for _ in range(4000))
    yield from batches(map(one, bodies), 256, event_time_field="t")


def features_by_segments(_: random.Random) -> Iterator[Sent]:
    more = keys(1000)[:-1]
    bodies = (more + b', "s": "%d"}' % at for at in range(100))
    yield from batches(map(one, bodies), 50)


def segments_by_windows(_: random.Random) -> Iterator[Sent]:
    places = ((at % 300, at // 300) for at in range(3000))
    yield from batches((one(b'{"s": "%d"}' % s, minute=m) for s, m in places), 256)


def segments_by_entities(draw: random.Random) -> Iterator[Sent]:
    for entity in range(20):
        bodies = (b'{"s": "%d", "a": 1}' % draw.getrandbits(60) for _ in range(300))
        yield from batches(map(one, bodies), 256, entity=f"e{entity}")


def labels_by_lengths(draw: random.Random) -> Iterator[Sent]:
    for count in (60, 8) * 5:  # more text than a label set may have, and nearly as much
        sets = ({f"l{k}": f"{draw.getrandbits(99)}" * 8 for k in range(count)} for _ in range(64))
        yield Sent([one(b'{"a": 1}', labels=labels) for labels in sets])


def entities_by_features(_: random.Random) -> Iterator[Sent]:
    for entity in range(100):
        yield Sent([one(keys(1000, f"e{entity}_"))], entity=f"entity-{entity}")


def entities_by_windows(_: random.Random) -> Iterator[Sent]:
    for entity in range(60):
        observed = [one(b'{"a": 1}', minute=at) for at in range(200)]
        yield Sent(observed, entity=f"entity-{entity}", labels={"v": str(entity)})


def names_by_features(draw: random.Random) -> Iterator[Sent]:
    def bodies() -> Iterator[bytes]:
        for _ in range(200):
            yield json.dumps(
                {f"k{at}": f"{draw.getrandbits(200):x}" for at in range(1000)}
            ).encode()

    yield from batches(map(one, bodies()), 32)


def texts_by_rows(draw: random.Random) -> Iterator[Sent]:
    def bodies() -> Iterator[bytes]:
        for _ in range(100):
            yield json.dumps({"text": f"{draw.getrandbits(32)} " * 20_000}).encode()

    yield from batches(map(one, bodies()), 8)


def texts_by_features(draw: random.Random) -> Iterator[Sent]:
    body = keys(1000, value="a few words, " * 10)
    yield from batches((one(body, minute=draw.randrange(3)) for _ in range(64)), 16)


def vectors_by_features(draw: random.Random) -> Iterator[Sent]:
    body = keys(1000, value=[1.5] * 12)
    yield from batches((one(body, minute=draw.randrange(3)) for _ in range(64)), 16)


def vectors_by_sizes(draw: random.Random) -> Iterator[Sent]:
    def answers() -> Iterator[bytes]:
        for _ in range(200):
            vectors = [base64.b64encode(struct.pack("<f", 1.5) * draw.randrange(1, 4000)).decode()]
            items = [{"embedding": vector} for vector in vectors * 8]
            yield json.dumps({"object": "list", "data": items}).encode()

    yield from batches((one(b"{}", answer) for answer in answers()), 8)


def declared_shapes(_: random.Random) -> Iterator[Sent]:
    shapes = ([1 << 40], [1 << 62, 1 << 62], [1 << 30, 0], [9] * 50_000, [1] * 40, [1 << 20, 1])
    tensors = [{"name": "x", "datatype": "FP32", "shape": shape, "data": [1]} for shape in shapes]
    for tensor in tensors * 8:
        yield Sent([one(json.dumps({"inputs": [tensor]}).encode())])


def tensors_by_columns(_: random.Random) -> Iterator[Sent]:
    tensors = [
        {"name": f"x{at}", "datatype": "FP32", "shape": [20, 124], "data": [1.5] * 2480}
        for at in range(8)
    ]
    body = gzip.compress(json.dumps({"inputs": tensors}).encode())
    yield from batches((one(body, packed=True) for _ in range(128)), 64)


def bombs_by_batches(draw: random.Random) -> Iterator[Sent]:
    contents = [
        b"[" + b"[]," * (MIB // 3 - 2) + b"[]]",
        b"[" + b"{}," * 60_000 + b"{}]",
        b"[" + b'{"a":1},' * 60_000 + b'{"a":1}]',
        b"[" + b"[1]," * 80_000 + b"[1]]",
        b'{"a":' * 1000 + b"1" + b"}" * 1000,
        b"[" * (MIB // 2) + b"]" * (MIB // 2),
    ]
    packed = [gzip.compress(content) for content in contents]
    yield from batches((one(draw.choice(packed), packed=True) for _ in range(96)), 48)


def rows_of_one_column(draw: random.Random) -> Iterator[Sent]:
    csv = gzip.compress(b"a\n" + b"1\n" * 1_000_000)
    lines = gzip.compress(b"1\n" * 400_000)
    del draw
    for _ in range(8):
        yield Sent([one(csv, kind="text/csv", packed=True)])
        yield Sent([one(lines, kind="application/x-ndjson", packed=True)])


def fields_by_parts(_: random.Random) -> Iterator[Sent]:
    head = b'--B\r\ncontent-disposition: form-data; name="p%d"\r\n\r\n'
    body = b"".join((head % at) + b"1\r\n" for at in range(990)) + b"--B--"
    form = b"&".join(b"a%d=1" % at for at in range(999))
    multipart = "multipart/form-data; boundary=B"
    yield from batches((one(body, kind=multipart) for _ in range(64)), 16)
    yield from batches((one(form, kind="application/x-www-form-urlencoded") for _ in range(64)), 16)


def streams_by_chunks(_: random.Random) -> Iterator[Sent]:
    gaps = struct.pack("<f", 0.25) * 512
    yield from batches((one(b'{"a": 1}', gaps=gaps) for _ in range(8000)), 1000)


def observations_by_windows(_: random.Random) -> Iterator[Sent]:
    for start in range(2):
        yield Sent([one(b"1", b"1", minute=start * 8000 + at) for at in range(8000)])
    yield Sent([one(b"1", b"1") for _ in range(12_000)])


def values_by_names(_: random.Random) -> Iterator[Sent]:
    many = msgspec.msgpack.encode({f"v{at}": [1.5] * 100 for at in range(256)})
    nested = msgspec.msgpack.encode({"v": [[] for _ in range(200_000)]})
    yield from batches((one(b'{"a": 1}', values=many) for _ in range(128)), 8)
    yield from batches((one(b'{"a": 1}', values=nested) for _ in range(32)), 8)


def names_by_time(draw: random.Random) -> Iterator[Sent]:
    def bodies() -> Iterator[bytes]:
        for _ in range(100):
            yield json.dumps({f"{draw.getrandbits(64):x}": 1 for _ in range(500)}).encode()

    yield from batches(map(one, bodies()), 64)


def paths_by_statuses(draw: random.Random) -> Iterator[Sent]:
    paths = (f"/p.S/{draw.getrandbits(64)}" for _ in range(6000))
    yield from batches((one(b"", b"", kind="application/grpc", path=path) for path in paths), 256)


CASES: dict[str, Case] = {
    case.__name__.replace("_", " "): case
    for case in (
        *(rows_by_known_features, rows_by_columns, rows_by_columns_of_their_own),
        *(columns_by_windows, known_features_by_windows, times_in_bodies_by_windows),
        *(features_by_segments, segments_by_windows, segments_by_entities, labels_by_lengths),
        *(entities_by_features, entities_by_windows, names_by_features, names_by_time),
        *(texts_by_rows, texts_by_features, vectors_by_features, vectors_by_sizes),
        *(declared_shapes, tensors_by_columns, bombs_by_batches, rows_of_one_column),
        *(fields_by_parts, streams_by_chunks, observations_by_windows, values_by_names),
        paths_by_statuses,
    )
}
