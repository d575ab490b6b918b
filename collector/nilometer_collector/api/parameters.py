"""Kinds of query parameters: one class each, with its JSON Schema and its parser."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeAlias, TypeVar

from nilometer.compare import COMPARATORS, KS, PSI, Comparator, comparator_named
from nilometer.values.clock import NANOSECONDS
from nilometer.values.entity import NAME
from nilometer.values.labels import KEY
from nilometer.values.nearest import did_you_mean
from nilometer_collector.api.problems import ApiError
from nilometer_collector.limits.bounds import LAST_NS, MAX_NAME_CHARACTERS, PRINTABLE

MAX_STEP_SECONDS = 400 * 86_400
MAX_NUMBER_CHARACTERS = 400  # longest number; the largest float64 has 309 digits
MAX_REPEATS = 64  # most values of a parameter that may be repeated
MAX_KEYS = 8  # most label keys of one parameter
LAST_SECONDS = LAST_NS // NANOSECONDS
LAST_ID = (1 << 53) - 1  # largest whole number that every JSON reader reads exactly

V_co = TypeVar("V_co", covariant=True)

Schema: TypeAlias = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Parameter(ABC, Generic[V_co]):
    """One query parameter, read as a value of one type.

    Attributes:
        schema: JSON Schema of one value.
        required: Whether a request must have it.
        repeated: Whether a request may have it more than once.
        most: Most times that a request may repeat it.
    """

    schema: ClassVar[Schema]
    required: ClassVar[bool] = False
    repeated: ClassVar[bool] = False
    most: ClassVar[int] = MAX_REPEATS

    name: str
    about: str

    def described(self) -> Schema:
        """Return the JSON Schema of one value, with all registered names."""
        return self.schema

    @abstractmethod
    def read(self, texts: Sequence[str]) -> V_co:
        """Parse *texts*, which are empty if the request lacks an optional parameter.

        Raises:
            ApiError: 422 if the value is not allowed; the detail names the parameter.
        """

    def refused(self, reason: str) -> ApiError:
        """Return the error for a value that is not allowed."""
        return ApiError(422, f"{self.name}: {reason}", self.name)


class Text(Parameter[str | None]):
    """A text of 1 to 256 characters, or None."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_NAME_CHARACTERS,
        "pattern": f"^{PRINTABLE}*$",
    }

    def read(self, texts: Sequence[str]) -> str | None:
        """Return the text."""
        return _short(self, texts[0]) if texts else None


class RequiredText(Parameter[str]):
    """A required text of 1 to 256 characters."""

    schema: ClassVar[Schema] = Text.schema
    required = True

    def read(self, texts: Sequence[str]) -> str:
        """Return the text."""
        return _short(self, texts[0])


class EntityName(Parameter[str]):
    """A required name that an entity may have."""

    schema: ClassVar[Schema] = {"type": "string", "pattern": f"^{NAME.pattern}$"}
    required = True

    def read(self, texts: Sequence[str]) -> str:
        """Return the name."""
        if not NAME.fullmatch(texts[0]):
            raise self.refused(f"must match {NAME.pattern}")
        return texts[0]


@dataclass(frozen=True, slots=True)
class Time(Parameter[int]):
    """Unix seconds, read as nanoseconds.

    Attributes:
        default_ns: Time without the parameter, Unix nanoseconds.
    """

    schema: ClassVar[Schema] = {"type": "number", "minimum": 0, "maximum": LAST_SECONDS}

    default_ns: int

    def read(self, texts: Sequence[str]) -> int:
        """Return Unix nanoseconds."""
        if not texts:
            return self.default_ns
        number = _number(texts[0])
        if number is None or not 0 <= number <= LAST_SECONDS:
            raise self.refused(f"must be Unix seconds, 0 to {LAST_SECONDS}")
        whole = math.floor(number)
        return whole * NANOSECONDS + round((number - whole) * NANOSECONDS)


class Step(Parameter[int | None]):
    """Whole seconds, read as nanoseconds; None without the parameter."""

    schema: ClassVar[Schema] = {"type": "integer", "minimum": 1, "maximum": MAX_STEP_SECONDS}

    def read(self, texts: Sequence[str]) -> int | None:
        """Return nanoseconds, or None."""
        if not texts:
            return None
        (text,) = texts
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            raise self.refused("must be a whole number of seconds")
        if not 1 <= int(text) <= MAX_STEP_SECONDS:
            raise self.refused(f"must be 1 to {MAX_STEP_SECONDS} seconds")
        return int(text) * NANOSECONDS


@dataclass(frozen=True, slots=True)
class Count(Parameter[int]):
    """A whole number.

    Attributes:
        default: Number without the parameter.
        highest: Largest number; the smallest is 1.
    """

    schema: ClassVar[Schema] = {"type": "integer", "minimum": 1}

    default: int
    highest: int

    def described(self) -> Schema:
        """Return the JSON Schema of one value."""
        return {**self.schema, "maximum": self.highest}

    def read(self, texts: Sequence[str]) -> int:
        """Return the number."""
        if not texts:
            return self.default
        (text,) = texts
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            raise self.refused("must be a whole number")
        if not 1 <= int(text) <= self.highest:
            raise self.refused(f"must be 1 to {self.highest}")
        return int(text)


class RequiredId(Parameter[int]):
    """The id of a stored object: a required whole number."""

    schema: ClassVar[Schema] = {"type": "integer", "minimum": 1, "maximum": LAST_ID}
    required = True

    def read(self, texts: Sequence[str]) -> int:
        """Return the number."""
        (text,) = texts
        if not (text.isascii() and text.isdigit() and len(text) <= 19):
            raise self.refused("must be a whole number")
        if not 1 <= int(text) <= LAST_ID:
            raise self.refused(f"must be 1 to {LAST_ID}")
        return int(text)


class AnyId(Parameter[int | None]):
    """The id of a stored object, or None."""

    schema: ClassVar[Schema] = RequiredId.schema

    def read(self, texts: Sequence[str]) -> int | None:
        """Return the number."""
        return RequiredId(self.name, self.about).read(texts) if texts else None


@dataclass(frozen=True, slots=True)
class Numbers(Parameter[tuple[float, ...]]):
    """Any number of finite numbers, read in ascending order without duplicates.

    Attributes:
        low: Smallest number.
        high: Largest number.
    """

    schema: ClassVar[Schema] = {"type": "number"}
    repeated = True

    low: float = -1e308
    high: float = 1e308

    def described(self) -> Schema:
        """Return the JSON Schema of one value."""
        return {**self.schema, "minimum": self.low, "maximum": self.high}

    def read(self, texts: Sequence[str]) -> tuple[float, ...]:
        """Return the numbers."""
        found = set()
        for text in texts:
            number = _number(text)
            if number is None or not self.low <= number <= self.high:
                raise self.refused(f"must be numbers, {self.low:g} to {self.high:g}")
            found.add(number + 0.0)
        return tuple(sorted(found))


class RequiredTexts(Parameter[tuple[str, ...]]):
    """Texts of 1 to 256 characters, at least one."""

    schema: ClassVar[Schema] = Text.schema
    required = True
    repeated = True

    def read(self, texts: Sequence[str]) -> tuple[str, ...]:
        """Return the texts without duplicates."""
        return tuple(dict.fromkeys(_short(self, text) for text in texts))


class LabelKeys(Parameter[tuple[str, ...]]):
    """Label keys, at most `MAX_KEYS`."""

    schema: ClassVar[Schema] = {"type": "string", "pattern": f"^{KEY.pattern}$"}
    repeated = True
    most = MAX_KEYS

    def read(self, texts: Sequence[str]) -> tuple[str, ...]:
        """Return the keys without duplicates."""
        for text in texts:
            if not KEY.fullmatch(text):
                raise self.refused(f"{text[:64]!r} must be a key of labels")
        return tuple(dict.fromkeys(texts))


@dataclass(frozen=True, slots=True)
class Words(Parameter[tuple[str, ...]]):
    """Words out of a set.

    Attributes:
        known: Function that returns the allowed words, including words from other packages.
    """

    schema: ClassVar[Schema] = {"type": "string"}
    repeated = True

    known: Callable[[], Collection[str]]

    def described(self) -> Schema:
        """Return the JSON Schema of one value, with all registered words."""
        return {**self.schema, "enum": sorted(self.known())}

    def read(self, texts: Sequence[str]) -> tuple[str, ...]:
        """Return the words without duplicates."""
        known = self.known()
        for text in texts:
            if text not in known:
                hint = did_you_mean(text[:MAX_NAME_CHARACTERS], known)
                words = ", ".join(sorted(known))
                raise self.refused(f"{text[:64]!r} must be one of {words}{hint}")
        return tuple(dict.fromkeys(texts))


class OneWord(Words):
    """At most one word out of a set."""

    repeated = False


@dataclass(frozen=True, slots=True)
class RequiredWord(OneWord):
    """One word out of a set."""

    required = True


class Flag(Parameter[bool | None]):
    """``true`` or ``false``, read as a bool; or None."""

    schema: ClassVar[Schema] = {"type": "boolean"}

    def read(self, texts: Sequence[str]) -> bool | None:
        """Return the truth value, or None."""
        if not texts:
            return None
        if texts[0] not in {"true", "false"}:
            raise self.refused("must be true or false")
        return texts[0] == "true"


class Comparators(Parameter[tuple[Comparator, ...]]):
    """Names of comparators; by default `psi` and `ks`."""

    schema: ClassVar[Schema] = Text.schema
    repeated = True

    def described(self) -> Schema:
        """Return the schema with the names of all comparators, including other packages."""
        return {"type": "string", "enum": list(COMPARATORS)}

    def read(self, texts: Sequence[str]) -> tuple[Comparator, ...]:
        """Return the comparators of these names."""
        try:
            return tuple(map(comparator_named, dict.fromkeys(texts))) or (PSI, KS)
        except ValueError as error:
            raise self.refused(str(error)) from error


class LabelPairs(Parameter[Sequence[tuple[str, str]]]):
    """Any number of ``key:value``, read as pairs."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "pattern": f"^{KEY.pattern}:{PRINTABLE}{{0,{MAX_NAME_CHARACTERS}}}$",
    }
    repeated = True

    def read(self, texts: Sequence[str]) -> Sequence[tuple[str, str]]:
        """Return all pairs."""
        pairs = []
        for text in texts:
            key, separator, value = text.partition(":")
            if not separator or not KEY.fullmatch(key) or len(value) > MAX_NAME_CHARACTERS:
                raise self.refused(f"{text[:64]!r} must be key:value")
            pairs.append((key, value))
        return pairs


ENTITY = RequiredText("entity", "Name of the monitored entity.")
ANY_ENTITY = Text("entity", "Name of the monitored entity; by default all entities.")


def _short(parameter: Parameter[object], text: str) -> str:
    if not 0 < len(text) <= MAX_NAME_CHARACTERS:
        raise parameter.refused(f"must be 1 to {MAX_NAME_CHARACTERS} characters")
    return text


def _number(text: str) -> float | None:
    """Parse a finite decimal number; refuse forms that only Python accepts, such as 1_000."""
    if len(text) > MAX_NUMBER_CHARACTERS or not set(text) <= set("0123456789.eE+-"):
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
