"""What was sent is a function of its number, so that lost, doubled and invented data show.

Batch *k* of an entity stands in a window of its own and holds `observations(k)` observations
whose amounts are `amount(k, j)`. Whatever comes out for that window must be that, or nothing
where nothing was acknowledged.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from nilometer.profile import FeatureProfile
from nilometer.profiling.observation import pack
from nilometer.wire.frames import Batch
from nilometer.wire.samples import sample_from_bytes

# 1975, a whole minute: so early that the last of millions of windows is over, whatever the year.
START_NS = 157_766_400_000_000_000
WINDOW_NS = 60_000_000_000


def payload(number: int, most: int = 3000) -> bytes:
    """Bytes of row *number*: its length and content are known from the number."""
    seed = hashlib.blake2b(number.to_bytes(8, "big"), digest_size=32).digest()
    length = 16 + int.from_bytes(seed[:4], "big") % most
    return number.to_bytes(8, "big") + hashlib.shake_128(seed).digest(length)


def number_of(content: bytes) -> int | None:
    """The number that *content* is the payload of; None where it is nobody's."""
    number = int.from_bytes(content[:8], "big")
    return number if content == payload(number, 3000) else None


def observations(k: int) -> int:
    return 1 + k % 3


def amount(k: int, j: int) -> float:
    return float((k * 7919 + j * 104_729) % 1_000_003)


def batch(entity: str, k: int) -> Batch:
    rows = []
    for j in range(observations(k)):
        body = json.dumps({"amount": amount(k, j)}).encode()
        rows.append(
            (
                *(START_NS + k * WINDOW_NS + 1, 0.01, 200, "ok", "POST", "/predict"),
                *(len(body), 2, "application/json", "", "application/json", "", body, b"{}", ""),
            )
        )
    return Batch(entity=entity, observations=pack(rows), count=len(rows))


@dataclass(slots=True)
class Seen:
    """What stands at the collector for one batch."""

    count: int = 0
    numbers: int = 0
    total: float = 0.0


@dataclass(slots=True)
class Verdict:
    """What became of what was sent.

    Attributes:
        sent: Batches that a worker had in its hands.
        acknowledged: Batches that the agent acknowledged.
        lost: Acknowledged batches that do not stand at the collector.
        doubled: Batches of which more stands there than was sent.
        invented: Windows that nobody sent, or whose content nobody sent.
        unacknowledged_stored: Batches that stand there and were not acknowledged: allowed.
    """

    sent: int = 0
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    invented: list[str] = field(default_factory=list)
    unacknowledged_stored: int = 0

    def __str__(self) -> str:
        return (
            f"{self.acknowledged} acknowledged, {len(self.lost)} lost, {len(self.doubled)} "
            f"doubled, {len(self.invented)} invented"
        )

    @property
    def clean(self) -> bool:
        return self.acknowledged > 0 and not (self.lost or self.doubled or self.invented)


def stored(database: Path) -> dict[tuple[str, int], Seen]:
    """What a collector's database holds, by (entity, batch)."""
    found: dict[tuple[str, int], Seen] = {}
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT payload FROM samples").fetchall()
    connection.close()
    for (content,) in rows:
        sample = sample_from_bytes(content)
        k = (sample.window.start_ns - START_NS) // WINDOW_NS
        seen = found.setdefault((sample.entity, k), Seen())
        if sample.summary == "service":
            seen.count += sample.coverage.seen
        elif sample.summary == "input.amount" and isinstance(sample.content, FeatureProfile):
            moments = sample.content.numbers.moments
            seen.numbers += moments.count
            seen.total += moments.count * moments.mean
    return found


def judge(database: Path, journals: Iterable[Path]) -> Verdict:
    """Compare what stands at the collector with what workers wrote down."""
    verdict = Verdict()
    found = stored(database)
    known: set[tuple[str, int]] = set()
    for journal in journals:
        entity = journal.stem
        lines = journal.read_text("ascii").split("\n")[:-1]  # a torn last line was not written
        sent = {int(line[1:]) for line in lines if line[0] == "S"}
        acknowledged = {int(line[1:]) for line in lines if line[0] == "A"}
        verdict.sent += len(sent)
        verdict.acknowledged += len(acknowledged)
        for k in sorted(sent):
            known.add((entity, k))
            seen = found.get((entity, k), Seen())
            name = f"{entity}/{k}: {seen}"
            whole = observations(k)
            total = sum(amount(k, j) for j in range(whole))
            if seen.count > whole or seen.numbers > whole:
                verdict.doubled.append(name)
            elif seen.count < whole and (k in acknowledged or seen.count):
                verdict.lost.append(name)
            elif seen.count and abs(seen.total - total) > 1e-6 * (1 + total):
                verdict.invented.append(name)
            elif seen.count and k not in acknowledged:
                verdict.unacknowledged_stored += 1
    verdict.invented += [f"{entity}/{k}" for entity, k in found if (entity, k) not in known]
    return verdict
