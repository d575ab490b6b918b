"""Unique values, and a search for them in bytes and in the data that the bytes decode to."""

import re
import shutil
import sqlite3
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from nilometer.profile import FeatureProfile, ScoreProfile, SummarySample
from nilometer.sketch.codec import ordered_bits
from nilometer.wire.samples import parts_by_summary, sample_from_bytes
from nilometer.wire.sketches.tdigest import varints

Canary = float | str

NEAR = 1e-6  # relative distance below which a number counts as the canary
FEW = 20  # observations; a narrow bucket with fewer of them reveals its values
NARROW = 0.01  # relative width of such a bucket
COMPRESSED = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")
ZSTD = b"\x28\xb5\x2f\xfd"
TOKEN = re.compile(rb"-?\d+\.?\d*(?:[eE][-+]?\d+)?")
GAP = re.compile(rb"\0{65,}")  # in a page of a database; no canary has as many zeros in a row
SHORTEST = 6  # shortest form in bytes; shorter ones occur in digests by chance


def forms_of(canary: Canary) -> set[bytes]:
    """Return the forms in which *canary* may be written as bytes."""
    if isinstance(canary, str):
        return {canary.encode(), canary.encode("utf-16-le")}
    forms = {struct.pack("<d", canary), struct.pack(">d", canary)}
    texts = {f"{canary:.{digits}g}" for digits in range(9, 18)} | {repr(canary)}
    texts |= {f"{abs(canary):.{digits}f}" for digits in range(2, 8)}
    forms |= {text.encode() for text in texts if sum(map(str.isdigit, text)) >= 9}
    if canary == int(canary):
        whole = int(canary)
        forms |= {_varint(whole), _varint(whole << 1), struct.pack("<q", whole)}
    (bits,) = ordered_bits(np.array([canary])).tolist()
    forms |= {varints(np.array([bits >> dropped], dtype=np.uint64)) for dropped in range(20)}
    return {form for form in forms if len(form) >= SHORTEST}


def _varint(value: int) -> bytes:
    return varints(np.array([value], dtype=np.uint64))


class Search:
    """Searches for canaries, and records where it found each.

    Args:
        canaries: Canaries by name.
    """

    def __init__(self, canaries: Mapping[str, Canary]) -> None:
        self._canaries = canaries
        self._forms = {name: forms_of(canary) for name, canary in canaries.items()}
        self.found: dict[str, set[str]] = {}  # names of canaries by place
        self.searched: dict[str, int] = {}  # bytes by place

    def packed(self, place: str, packed: bytes) -> None:
        """Search *packed*, and the decompressed content of any stream in it."""
        self.searched[place] = self.searched.get(place, 0) + len(packed)
        for piece in (GAP.sub(bytes(64), packed), *_decompressed(packed)):
            for name, forms in self._forms.items():
                self._hit(place, [name] if any(form in piece for form in forms) else [])

    def text(self, place: str, text: bytes) -> None:
        """Search *text*, including all numbers in it."""
        self.packed(place, text)
        self.numbers(place, map(float, TOKEN.findall(text)))

    def numbers(self, place: str, numbers: Iterable[float]) -> None:
        """Search *numbers* for values that are almost equal to a canary."""
        found = np.array([number for number in numbers if np.isfinite(number)])
        for name, canary in self._canaries.items():
            if isinstance(canary, float):
                near = np.abs(np.abs(found) - abs(canary)) <= NEAR * abs(canary)
                self._hit(place, [name] if near.any() else [])

    def samples(self, place: str, samples: Iterable[SummarySample]) -> None:
        """Search the contents of *samples*."""
        for sample in samples:
            self.packed(place, sample.summary.encode())
            self.numbers(place, numbers_of(sample))
            self._hit(place, self._narrow(sample))

    def database(self, place: str, path: Path) -> None:
        """Search every cell of a copy of a SQLite database, and the samples in it."""
        with TemporaryDirectory() as copies, closing(_opened_copy(path, Path(copies))) as database:
            tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in tables.fetchall():
                for row in database.execute(f'SELECT * FROM "{table}"'):
                    for cell in row:
                        if isinstance(cell, str):
                            self.text(place, cell.encode())
                        elif isinstance(cell, bytes):
                            self.packed(place, cell)
                            self.samples(place, _samples_in(cell))

    def directory(self, place: str, home: Path) -> None:
        """Search every file under *home*, and the content of its databases."""
        for path in sorted(home.rglob("*")):
            if path.is_file():
                packed = path.read_bytes()
                self.packed(place, packed)
                if packed.startswith(b"SQLite format 3"):
                    self.database(place, path)

    def _hit(self, place: str, names: Iterable[str]) -> None:
        self.found.setdefault(place, set()).update(names)

    def _narrow(self, sample: SummarySample) -> Iterator[str]:
        """Return canaries in a narrow bucket that contains few observations."""
        content = sample.content
        histogram = content.numbers.histogram if isinstance(content, FeatureProfile) else None
        if histogram is None or histogram.base - 1 > NARROW:
            return
        for name, canary in self._canaries.items():
            if isinstance(canary, float):
                side = histogram.positive if canary > 0 else histogram.negative
                place = int(np.ceil(np.log2(abs(canary)) * 2.0**histogram.scale)) - 1
                at = place - side.offset
                if 0 <= at < len(side.counts) and 0 < side.counts[at] < FEW:
                    yield name


def numbers_of(sample: SummarySample) -> Iterator[float]:
    """Return every number in a sample that depends on values, including sums."""
    match sample.content:
        case FeatureProfile(numbers=numbers):
            means, weights, _ = numbers.digest.centroids()
            yield from means.tolist()
            yield from (means * weights).tolist()
            for end in (numbers.digest.min, numbers.digest.max):
                if end is not None:
                    yield end
            moments = numbers.moments
            yield from (moments.mean, moments.mean * moments.count)
        case ScoreProfile() as scores:
            for bins in scores.classes.values():
                yield from bins.sums.tolist()
                yield from (bins.sums / np.maximum(bins.counts, 1)).tolist()
            for moments in (scores.score, scores.margin, scores.entropy):
                yield from (moments.mean, moments.mean * moments.count)
        case _:
            return


def _decompressed(packed: bytes) -> Iterator[bytes]:
    """Return the content of the zlib and gzip streams in *packed*; no others are used."""
    assert not packed.startswith(ZSTD)
    for head in COMPRESSED.finditer(packed):
        with suppress(zlib.error):
            found = zlib.decompressobj(47).decompress(packed[head.start() :])
            if found:
                yield found


def _opened_copy(path: Path, home: Path) -> sqlite3.Connection:
    """Return a copy of a database that can be read while its owner holds the lock."""
    files = [path, path.with_name(f"{path.name}-wal")]

    def state() -> list[tuple[int, int]]:
        return [(one.stat().st_size, one.stat().st_mtime_ns) for one in files if one.exists()]

    while True:
        before = state()
        for one in files:
            if one.exists():
                shutil.copy(one, home / one.name)
        if state() == before:
            return sqlite3.connect(home / path.name)


def _samples_in(packed: bytes) -> list[SummarySample]:
    """Return the samples in *packed*: one, several or none."""
    with suppress(Exception):
        return [sample_from_bytes(part) for _, part in parts_by_summary(packed)]
    with suppress(Exception):
        return [sample_from_bytes(packed)]
    return []
