"""The categories of one column: those in a reference's dictionary, others, and new ones.

The counts on the dictionary, on `other` (names that the reference has without a count) and on
`unseen` (names that it does not have) are exact and merge exactly. A bounded heavy-hitter sketch
holds names outside the dictionary. Names are in memory only while they are counted. When they leave
a recorder, unpublished names become pseudonyms under a key; without a key they are removed.
"""

import functools
import hashlib
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nilometer.sketch.codec import scaled_counts
from nilometer.sketch.distinct import Distinct
from nilometer.sketch.frequent import DEFAULT_CAPACITY, Frequent
from nilometer.sketch.hashing import Hashes, hash_strings
from nilometer.values.steps import Steps, parts_of

DICTIONARY_NAMES = 20  # names of a reference that have their own count
DICTIONARY_HASHES = 4096  # further names of a reference, which are not counted as unseen
MAX_NAME_CHARACTERS = 64  # longest category name; a longer string is text without a name
MAX_WAITING = 4096  # different names that are counted before they are merged into sketches
MAX_WAITING_CHARACTERS = 1 << 19  # characters of these names
_NAME_BYTES = 160  # memory of a waiting name: its string and its dictionary entry
MASK_PREFIX = "~"  # marks a pseudonym
_NOTHING = (
    "", " ", "-", "--", "?", ".", "na", "n/a", "#n/a", "nan", "nil", "null", "none", "undefined",
    "missing", "<na>", "(null)",
)  # fmt: skip
# Strings that mean a missing value: in lower case, upper case and title case.
NULL_LIKE = frozenset(form for word in _NOTHING for form in (word, word.upper(), word.title()))


def pseudonym(name: str, key: bytes) -> str:
    """Return a fixed 48-bit pseudonym of a category under *key*, 1 to 64 bytes.

    Equal names have equal pseudonyms under the same key. Without the key, nobody can check a guess.
    """
    packed = name.encode("utf-8", "surrogatepass")
    return MASK_PREFIX + hashlib.blake2b(packed, digest_size=6, key=key[:64]).hexdigest()


@dataclass(frozen=True, slots=True)
class Dictionary:
    """The names of a column in a reference.

    Attributes:
        names: Names with their own counts, most frequent first; at most `DICTIONARY_NAMES`.
        hashes: 64-bit hashes of the other names, ascending; at most `DICTIONARY_HASHES`.
        complete: Whether names and hashes cover the whole reference. If so, any other name counts
            as unseen, otherwise as other.
    """

    names: tuple[str, ...]
    hashes: tuple[int, ...] = ()
    complete: bool = True

    @property
    def id(self) -> str:
        """The id of the dictionary; dictionaries with equal content have equal ids."""
        packed = "\0".join((*self.names, str(self.complete), *map(str, self.hashes)))
        return hashlib.blake2b(packed.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class DictionaryCounts:
    """Exact counts for a dictionary.

    Attributes:
        id: Id of the dictionary, see `Dictionary.id`.
        counts: Counts of the dictionary's names, in its order.
        other: Count of names that the reference has without a count.
        unseen: Count of names that the reference does not have.
    """

    id: str
    counts: tuple[int, ...]
    other: int = 0
    unseen: int = 0

    @property
    def total(self) -> int:
        """Number of categories observed."""
        return sum(self.counts) + self.other + self.unseen

    def plus(self, other: Self) -> Self:
        """Return the sum of both, which must have the same dictionary."""
        added = zip(self.counts, other.counts, strict=True)
        return type(self)(
            self.id,
            tuple(ours + theirs for ours, theirs in added),
            self.other + other.other,
            self.unseen + other.unseen,
        )


@dataclass(slots=True)
class CategoryProfile:
    """The categories of a column.

    Attributes:
        frequent: Most frequent names, published or as pseudonyms, with their error.
        dictionary: Exact counts on the reference's dictionary; None without one.
    """

    frequent: Frequent = field(default_factory=Frequent)
    dictionary: DictionaryCounts | None = None

    @property
    def total(self) -> int:
        """Number of categories observed."""
        return self.frequent.total

    def top(self, k: int) -> list[tuple[str, int]]:
        """Return the *k* most frequent kept names with upper bounds of their counts."""
        return self.frequent.top(k)

    def merge(self, other: Self) -> Self:
        """Return the profile of both columns."""
        return self.merge_all((self, other))

    @classmethod
    def merge_all(cls, profiles: Iterable[Self]) -> Self:
        """Return one profile of all columns; the order of *profiles* does not matter.

        Counts for a dictionary are kept only if all profiles with categories have the same
        dictionary.
        """
        held = list(profiles)
        merged = cls(Frequent.merge_all(part.frequent for part in held))
        parts = [part.dictionary for part in held if part.total]
        if parts and len({part.id if part else "" for part in parts}) == 1:
            for part in parts:
                if part is not None:
                    known = merged.dictionary
                    merged.dictionary = part if known is None else known.plus(part)
        return merged

    def suppressed(self, fewest: int) -> Self:
        """Return the profile without pseudonyms of fewer than *fewest* observations.

        All totals are kept.
        """
        frequent = self.frequent
        kept = {
            name: count
            for name, count in frequent.counts.items()
            if count >= fewest or not name.startswith(MASK_PREFIX)
        }
        if len(kept) == len(frequent.counts):
            return self
        errors = {name: error for name, error in frequent.errors.items() if name in kept}
        return type(self)(
            Frequent(frequent.capacity, frequent.total, kept, errors), self.dictionary
        )

    def masked(self, published: Collection[str], key: bytes) -> Self:
        """Return the profile with pseudonyms under *key* for names that are not *published*.

        Without a key such names are removed. The names of booleans are public. Pseudonyms are kept.
        """
        frequent = self.frequent
        public = {*published, *_PUBLIC_NAMES}
        renamed = {
            name: pseudonym(name, key) if key else ""
            for name in frequent.counts
            if not name.startswith(MASK_PREFIX) and name not in public
        }
        if not renamed:
            return self
        counts: dict[str, int] = {}
        errors: dict[str, int] = {}
        for name, count in frequent.counts.items():
            shown = renamed.get(name, name)
            if shown:
                counts[shown] = counts.get(shown, 0) + count
                errors[shown] = errors.get(shown, 0) + frequent.errors.get(name, 0)
        kept_errors = {name: error for name, error in errors.items() if error}
        return type(self)(
            Frequent(frequent.capacity, frequent.total, counts, kept_errors), self.dictionary
        )

    def scaled(self, factor: float) -> Self:
        """Return the counts times *factor*, rounded; *factor* is at least 1."""
        frequent, known = self.frequent, self.dictionary
        if known is not None:
            *counts, other, unseen = scaled_counts(
                [*known.counts, known.other, known.unseen], factor
            )
            known = DictionaryCounts(known.id, tuple(counts), other, unseen)
        return type(self)(
            Frequent(
                frequent.capacity,
                known.total if known is not None else round(frequent.total * factor),
                {name: math.floor(count * factor) for name, count in frequent.counts.items()},
                {name: math.floor(error * factor) for name, error in frequent.errors.items()},
            ),
            known,
        )

    def describe(self) -> str:
        """Return a table of name, count and share, as text."""
        rows = [f"{'category':<24} {'count':>10} {'share':>7}"]
        shown = [*self.top(20), ("(other)", self.frequent.other)]
        for name, count in shown:
            if count:
                rows.append(f"{name[:24]:<24} {count:>10} {count / max(self.total, 1):>7.1%}")
        if self.dictionary is not None:
            rows.append(f"{'(unseen in reference)':<24} {self.dictionary.unseen:>10}")
        return "\n".join(rows)


class CategoryRecorder:
    """Builds a `CategoryProfile`. One owner.

    Args:
        dictionary: Dictionary of the reference; None without one.
        readable: Whether every name up to 64 characters may be kept.
        key: Key of the pseudonyms; without one, only published names are kept.
        capacity: Capacity of the heavy hitters.
    """

    __slots__ = (
        "_capacity", "_codes", "_dictionary", "_distinct", "_hashes", "_key", "_known",
        "_profile", "_readable", "_waiting",
        "_waiting_characters", "null_like",
    )  # fmt: skip

    def __init__(
        self,
        dictionary: Dictionary | None,
        *,
        readable: bool = False,
        key: bytes = b"",
        distinct: Distinct | None = None,
        capacity: int = DEFAULT_CAPACITY,
    ) -> None:
        self._dictionary = dictionary
        self._readable = readable
        self._key = key
        self._capacity = capacity
        self._profile = CategoryProfile(Frequent(capacity))
        self._waiting: dict[str, int] = {}
        self._waiting_characters = 0  # characters of all names since the last fold
        self._distinct = distinct
        self.null_like = 0  # strings that mean a missing value; these are not categories
        self._known = frozenset(dictionary.names if dictionary else ())
        self._hashes, self._codes = (
            _lookup(dictionary.names, dictionary.hashes) if dictionary else _lookup_of_none()
        )

    def observe(self, counted: Mapping[str, int]) -> Steps[None]:
        """Add names with their counts, in steps."""
        waiting = self._waiting
        for name, count in counted.items():
            waiting[name] = waiting.get(name, 0) + count
        self._waiting_characters += sum(map(len, counted))
        if len(waiting) > MAX_WAITING or self._waiting_characters > MAX_WAITING_CHARACTERS:
            yield from self.fold()

    @property
    def held_bytes(self) -> int:
        """Approximate memory in bytes, without the fixed part."""
        own = self._hashes.nbytes + self._codes.nbytes if self._dictionary is not None else 0
        return own + _NAME_BYTES * len(self._waiting) + 2 * self._waiting_characters

    def profile(self) -> Steps[CategoryProfile]:
        """Return the profile of all names so far, in steps."""
        yield from self.fold()
        return self._profile

    def fold(self) -> Steps[None]:
        """Add the waiting names to the sketches, in steps."""
        if self._waiting:
            waiting, self._waiting = self._waiting, {}
            self._waiting_characters = 0
            names = list(waiting)
            hashes = []
            for part in parts_of(names):
                hashes.append(hash_strings(part))
                yield
            counts = np.fromiter(waiting.values(), dtype=np.int64, count=len(names))
            self.observe_hashed(np.concatenate(hashes), counts, names.__getitem__)
            yield

    def observe_hashed(
        self, hashes: Hashes, counts: NDArray[np.int64], name_of: Callable[[int], str]
    ) -> None:
        """Add different names by their hashes and counts, each of shape (n,), n > 0.

        *name_of* returns the name at an index. It is called for few of the names.
        """
        place = np.minimum(self._hashes.searchsorted(hashes), self._hashes.size - 1)
        codes = np.where(self._hashes[place] == hashes, self._codes[place], _NEW)
        nothing = codes == _NOTHING_CODE
        if nothing.any():
            self.null_like += int(counts[nothing].sum())
            kept = np.flatnonzero(~nothing)
            hashes, counts, codes = hashes[kept], counts[kept], codes[kept]
            if not kept.size:
                return
        else:
            kept = np.arange(counts.size)
        total = int(counts.sum())
        if self._distinct is not None:
            self._distinct.observe_hashes(hashes)
        known = codes >= 0
        if self._dictionary is not None:
            found = np.zeros(len(self._dictionary.names), dtype=np.int64)
            np.add.at(found, codes[known], counts[known])
            other = int(counts[codes == _OTHER].sum())
            unseen = total - int(found.sum()) - other
            if not self._dictionary.complete:
                other, unseen = other + unseen, 0
            on = DictionaryCounts(self._dictionary.id, tuple(found.tolist()), other, unseen)
            held = self._profile.dictionary
            self._profile.dictionary = on if held is None else held.plus(on)
        # Names that are never shown must not push out names that may be shown.
        shown = np.arange(counts.size)
        if not (self._key or self._readable):
            shown = np.flatnonzero(known | (codes == _PUBLIC))
        if shown.size > self._capacity:
            # The largest counts; equal counts are ordered by hash, which only depends on the names.
            least = -np.partition(-counts[shown], self._capacity - 1)[self._capacity - 1]
            shown = shown[counts[shown] >= least]
            order = np.lexsort((hashes[shown], -counts[shown]))
            shown = shown[order[: self._capacity]]
        names: dict[str, int] = {}
        for at, count in zip(kept[shown].tolist(), counts[shown].tolist(), strict=True):
            name = self._shown(name_of(at))
            if name:
                names[name] = names.get(name, 0) + count
        fresh = Frequent(self._capacity, total, names)
        frequent = self._profile.frequent
        self._profile.frequent = frequent.merge(fresh) if frequent.total else fresh

    def _shown(self, name: str) -> str:
        if (
            name in self._known
            or name in _PUBLIC_NAMES
            or (self._readable and len(name) <= MAX_NAME_CHARACTERS)
        ):
            return name
        return pseudonym(name, self._key) if self._key else ""


# Codes for hashes whose name is not in the dictionary.
_NEW, _OTHER, _NOTHING_CODE, _PUBLIC = -1, -2, -3, -4
_PUBLIC_NAMES = ("false", "true")  # names of booleans, which are always public


@functools.cache
def _lookup_of_none() -> tuple[Hashes, NDArray[np.int64]]:
    """Return the lookup for columns without a dictionary, which share it."""
    return _lookup((), ())


def _lookup(names: tuple[str, ...], others: tuple[int, ...]) -> tuple[Hashes, NDArray[np.int64]]:
    """Return the known hashes, ascending, and for each one an index into *names* or a code."""
    nothing = sorted(NULL_LIKE.difference(names))
    public = [name for name in _PUBLIC_NAMES if name not in names]
    beside = set(others).difference(hash_strings([*nothing, *public]).tolist())
    others = tuple(beside)
    hashes = np.concatenate(
        [
            hash_strings(names),
            np.array(others, dtype=np.uint64),
            hash_strings(nothing),
            hash_strings(public),
        ]
    )
    codes = np.concatenate(
        [
            np.arange(len(names)),
            np.full(len(others), _OTHER),
            np.full(len(nothing), _NOTHING_CODE),
            np.full(len(public), _PUBLIC),
        ]
    )
    order = np.argsort(hashes, kind="stable")
    return hashes[order], codes[order]
