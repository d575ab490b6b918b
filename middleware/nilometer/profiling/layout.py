"""Groups observations by kind, and decodes batches of a known kind in one pass.

Most servers send observations of one kind: one status, one method, one pair of content types. After
a batch of one kind, `Layout` builds a msgspec structure that accepts only this kind. C code then
decodes and checks later batches in one pass. A batch that contains another kind is decoded in the
general way, where `by_kind` separates the kinds. The structure is then discarded, and built again
after some batches.
"""

from collections import Counter
from collections.abc import Sequence
from operator import attrgetter
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, cast, get_type_hints

import msgspec
from msgspec import Meta

from nilometer.decode.body import plain_json
from nilometer.decode.probes import BODYLESS
from nilometer.profiling.observation import LEAST_SHARE, Observation, raw_arrays
from nilometer.profiling.predictions import route_of
from nilometer.values.reasons import Outcome

LONGEST_PAUSE = 64  # most batches that are skipped between attempts while the kind keeps changing

_OK_STATUS = range(100, 400)


class Kind(NamedTuple):
    """Values that observations must share to be decoded together; see `Observation`."""

    outcome: str
    status: int
    method: str
    event_time: str
    stream_end: str
    request_type: str
    request_encoding: str
    response_type: str
    response_encoding: str
    share: float
    left_out: bool
    values_only: bool

    @property
    def is_plain(self) -> bool:
        """Whether the request was answered, and both bodies are JSON or were left out."""
        return (
            self.outcome == Outcome.OK.value
            and self.status in _OK_STATUS
            and self.method not in BODYLESS
            and not self.event_time
            and not self.stream_end
            and (self.left_out or not self.values_only)
            and self.share == usable_share(self.share)
            and plain_json(*_types(self))
        )


Part: TypeAlias = tuple[Kind | None, Sequence[Observation]]  # the kind is None if it is not plain

_FIELDS = Observation.__struct_fields__
_SHARE = _FIELDS.index("share")
_FEWEST = _FIELDS.index("in_flight") + 1  # number of fields that every kind contains
_DEFAULTS = dict(
    zip(
        _FIELDS[-len(Observation.__struct_defaults__) :],
        Observation.__struct_defaults__,
        strict=True,
    )
)
_HINTS = get_type_hints(Observation, include_extras=True) | {
    "labels": Annotated[dict[str, str], Meta(max_length=0)] | None,
    "values": Annotated[bytes, Meta(max_length=0)],
}
_SAMPLING = ("share", "left_out", "values_only")
_HELD = tuple(
    name for name in Kind._fields if name not in _SAMPLING
)  # names of the fields that the structure restricts to one value

_kind, _held, _sampling = (attrgetter(*names) for names in (Kind._fields, _HELD, _SAMPLING))
_types = attrgetter("request_type", "request_encoding", "response_type", "response_encoding")


def usable_share(share: float) -> float:
    """Return *share* if it is valid for a sample; otherwise 1.0."""
    return share if LEAST_SHARE <= share <= 1.0 else 1.0


def by_kind(observations: Sequence[Observation], fewest: int) -> list[Part]:
    """Group *observations* by plain kinds with at least *fewest* members.

    A group takes the position of its first member. Runs of other observations have the kind None.
    Observations with labels or logged values have no plain kind.
    """
    kinds = [None if row.labels or row.values else _kind(row) for row in observations]
    plain = {
        kind
        for kind, count in Counter(kinds).items()
        if kind is not None and count >= fewest and Kind(*kind).is_plain
    }
    parts: list[Part] = []
    rows: list[Observation] = []  # rows of the current part
    found: dict[tuple[Any, ...], list[Observation]] = {}
    for kind, row in zip(kinds, observations, strict=True):
        if kind is not None and kind in plain:
            if kind not in found:
                found[kind] = []
                parts.append((Kind(*kind), found[kind]))
            found[kind].append(row)
            continue
        if not parts or parts[-1][0] is not None:
            rows = []
            parts.append((None, rows))
        rows.append(row)
    return parts


def by_route(parts: Sequence[Part], fewest: int) -> list[Part]:
    """Divide the parts of a kind by route; the kind is None for fewer than *fewest* on a route."""
    found: list[Part] = []
    for kind, rows in parts:
        if kind is None or len({row.path for row in rows}) == 1:
            found.append((kind, rows))
            continue
        routes: dict[str, list[Observation]] = {}
        for row in rows:
            routes.setdefault(row.route or route_of(row.path), []).append(row)
        found += [
            (kind, some) if len(some) >= fewest else (None, whole(some)) for some in routes.values()
        ]
    return found


class Layout:
    """Learns the kind of observations that one entity sends. Not thread-safe."""

    __slots__ = ("_decode", "_kind", "_pause", "_sampled", "_wait")

    def __init__(self) -> None:
        self._decode: msgspec.msgpack.Decoder[list[Observation]] | None = None
        self._kind: Kind | None = None
        self._sampled = False  # whether observations contain their sampling share
        self._pause = 1  # batches that are skipped after the kind changed
        self._wait = 0

    def read(self, packed: bytes, fewest: int) -> list[Part] | None:
        """Decode a batch into groups like `by_kind`; return None if its kind is another one.

        The observations contain only those first fields of `Observation` that were sent.
        """
        if self._decode is None or self._kind is None:
            return None
        try:
            rows = self._decode.decode(packed)
        except (msgspec.DecodeError, ValueError):
            self._decode = None
            self._wait, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
            return None
        self._pause = 1
        parts: dict[tuple[Any, ...], list[Observation]] = {}
        if self._sampled:
            for row in rows:
                parts.setdefault(_sampling(row), []).append(row)
        else:
            parts[_sampling(self._kind)] = rows
        found: list[Part] = []
        for sampling, some in parts.items():
            kind = Kind(*_held(self._kind), *sampling)
            alike = len(some) >= fewest and kind.is_plain
            found.append((kind, some) if alike else (None, whole(some)))
        return found

    def learn(self, packed: bytes, observations: Sequence[Observation]) -> None:
        """Learn the kind of *observations*, decoded from *packed*, if they all have the same."""
        if self._wait:
            self._wait -= 1
            return
        first = Kind(*_kind(observations[0]))
        fields = max(map(len, raw_arrays(packed)))
        if (
            not first.is_plain
            or len(set(map(_held, observations))) > 1
            or any(row.labels or row.values for row in observations)
            or fields > len(_FIELDS)
        ):
            return
        self._sampled = fields > _SHARE
        self._kind = first
        fields = len(_FIELDS) if self._sampled else max(fields, _FEWEST)
        self._decode = msgspec.msgpack.Decoder(list[_structure(first, fields)])  # type: ignore[misc]


def whole(rows: Sequence[Observation]) -> list[Observation]:
    """Return *rows* with all the fields of `Observation`."""
    return [Observation(*msgspec.structs.astuple(row)) for row in rows]


def _structure(kind: Kind, fields: int) -> type[Observation]:
    """Build a structure of the first *fields* of `Observation`, restricted to *kind*.

    The other fields are attributes of the class, with their defaults.
    """
    held = dict(zip(_HELD, _held(kind), strict=True))
    found: list[Any] = []
    for name in _FIELDS[:fields]:
        allowed = Literal[held[name]] if name in held else _HINTS[name]
        default = (_DEFAULTS[name],) if name in _DEFAULTS else ()
        found.append((name, allowed, *default))
    structure = msgspec.defstruct(
        "Alike",
        found,
        namespace={name: _DEFAULTS[name] for name in _FIELDS[fields:]},
        array_like=True,
        forbid_unknown_fields=True,
        frozen=True,
        gc=False,
    )
    return cast("type[Observation]", structure)
