"""Labels: ordered ``key=value`` pairs that say *where* a summary was measured."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from nilometer.values.errors import ConfigError

KEY = re.compile(r"[a-z][a-z0-9_]{0,62}")
MAX_VALUE_BYTES = 256  # UTF-8 bytes of a value; a longer one is data, not a label
MAX_SET_BYTES = 2048  # UTF-8 bytes of the keys and values that one request may add to its labels
OVERFLOW_KEY = "nilometer_overflow"


@dataclass(frozen=True, slots=True, order=True)
class Labels:
    """An immutable, hashable label set, sorted by key.

    >>> labels = Labels.of({"region": "eu"}, model_version="3")
    >>> str(labels)
    'model_version=3,region=eu'
    >>> labels == Labels.of(region="eu", model_version="3")
    True

    Raises:
        ConfigError: If a key does not match ``[a-z][a-z0-9_]{0,62}``, or a value is over 256 bytes.
    """

    pairs: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for key, value in self.pairs:
            if not KEY.fullmatch(key):
                raise ConfigError(f"label key {key!r} must match [a-z][a-z0-9_]{{0,62}}")
            if value.encode("utf-8", "replace").decode() != value:
                raise ConfigError(f"label {key} = {value!r}: must be text that UTF-8 can encode")
            if len(value.encode()) > MAX_VALUE_BYTES:
                raise ConfigError(f"label {key} has a value over {MAX_VALUE_BYTES} bytes")
        if list(self.pairs) != sorted(dict(self.pairs).items()):
            raise ConfigError(f"label pairs {self.pairs} must be sorted and have distinct keys")

    @classmethod
    def of(cls, pairs: Mapping[str, str] | None = None, /, **more: str) -> "Labels":
        """Return the labels of a mapping and of keywords; keywords take precedence."""
        return cls(tuple(sorted({**(pairs or {}), **more}.items())))

    def as_dict(self) -> dict[str, str]:
        """Return a new dictionary in key order."""
        return dict(self.pairs)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __str__(self) -> str:
        return ",".join(f"{key}={value}" for key, value in self.pairs)


def text_bytes(pairs: Iterable[tuple[str, str]]) -> int:
    """Return the UTF-8 bytes of all keys and values."""
    return sum(len(key) + len(value.encode("utf-8", "replace")) for key, value in pairs)


Pairs: TypeAlias = Iterable[tuple[str, str]]  # of keys and values; a key may repeat
ByKey: TypeAlias = tuple[tuple[str, frozenset[str]], ...]  # values of each key


@dataclass(frozen=True, slots=True)
class LabelFilter:
    """A filter on label sets: OR within a key, AND across keys and across the four parts.

    >>> newest = LabelFilter.of([("region", "eu")], denied=[("version", "1")])
    >>> newest.matches(Labels.of(region="eu"))
    True
    >>> newest.matches(Labels.of(region="eu", version="1"))
    False

    Attributes:
        allowed: Values by key; a label set must have one of them for each key.
        denied: Values by key; a label set must have none of them, but may lack the key.
        present: Keys that a label set must have.
        absent: Keys that a label set must not have.
    """

    allowed: ByKey = ()
    denied: ByKey = ()
    present: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        allowed: Pairs = (),
        *,
        denied: Pairs = (),
        present: Iterable[str] = (),
        absent: Iterable[str] = (),
    ) -> "LabelFilter":
        """Return the filter for (key, value) pairs, in which a key may repeat, and for keys."""
        return cls(_by_key(allowed), _by_key(denied), frozenset(present), frozenset(absent))

    def matches(self, labels: Labels) -> bool:
        """Return whether *labels* satisfies all four parts."""
        found = dict(labels.pairs)
        return (
            all(found.get(key) in values for key, values in self.allowed)
            and not any(found.get(key) in values for key, values in self.denied)
            and self.present <= found.keys()
            and self.absent.isdisjoint(found)
        )


def _by_key(pairs: Pairs) -> ByKey:
    values: dict[str, set[str]] = {}
    for key, value in pairs:
        values.setdefault(key, set()).add(value)
    return tuple((key, frozenset(values[key])) for key in sorted(values))


OVERFLOW = Labels.of({OVERFLOW_KEY: "true"})  # label set of data over a limit
