"""Labels: ordered ``key=value`` pairs that say *where* a summary was measured."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nilometer.values.errors import ConfigError

KEY = re.compile(r"[a-z][a-z0-9_]{0,62}")
MAX_VALUE_BYTES = 256  # UTF-8 bytes of a value; a longer one is data, not a label
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
        ConfigError: For a key outside ``[a-z][a-z0-9_]{0,62}`` or a value over 256 bytes.
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


@dataclass(frozen=True, slots=True)
class LabelFilter:
    """A filter on label sets: OR within a key, AND across keys."""

    allowed: tuple[tuple[str, frozenset[str]], ...] = ()

    @classmethod
    def of(cls, pairs: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> "LabelFilter":
        """Return the filter for (key, value) pairs, where a key may repeat."""
        allowed: dict[str, set[str]] = {}
        for key, value in pairs:
            allowed.setdefault(key, set()).add(value)
        return cls(tuple((key, frozenset(values)) for key, values in sorted(allowed.items())))

    def matches(self, labels: Labels) -> bool:
        """Return whether *labels* has an allowed value for every key of the filter."""
        present = dict(labels.pairs)
        return all(present.get(key) in values for key, values in self.allowed)


OVERFLOW = Labels.of({OVERFLOW_KEY: "true"})  # of what exceeds a limit
