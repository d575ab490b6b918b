"""The frames in which a worker sends batches to its agent; docs/frames.md is the contract.

A frame is a length, a kind and one MessagePack array. It needs neither protobuf nor gRPC, because
model servers import this module.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct, field

OLDEST_VERSION: Final = 1
NEWEST_VERSION: Final = 1

LENGTH_BYTES: Final = 4  # little-endian length of the kind and the body
HEAD_BYTES: Final = LENGTH_BYTES + 1
MAX_FRAME_BYTES: Final = 4 << 20  # largest length of the kind and the body
MAX_WORKER_BYTES: Final = 64
MAX_PARTIALS: Final = 4096  # most partial profiles of one batch
MAX_LABELS: Final = 64
MAX_REASONS: Final = 64
MAX_RULES: Final = 256
MAX_SEQUENCE: Final = (1 << 63) - 1  # largest number that fits into a column of the outbox
MAX_TIME_NS: Final = 1 << 62  # the year 2116
MAX_TEXT: Final = 1024  # characters
MAX_COUNT: Final = 1 << 48  # most observations in one batch; sums over a window fit int64


class Kind(IntEnum):
    """The kind of a frame. Unknown kinds are from a later version and end the connection."""

    HELLO = 1
    WELCOME = 2
    BATCH = 3
    ACKNOWLEDGED = 4
    REFUSED = 5


class Why(IntEnum):
    """The reason why an agent refuses a worker."""

    VERSION = 1  # no version of the frames is supported by both sides
    FULL = 2  # the agent has its maximum of workers: try again later
    CONTRACT = 3  # a frame breaks the contract, so the same frame would be refused again


class BadFrame(ValueError):
    """Bytes that are not a valid frame."""


class Hello(Struct, array_like=True, frozen=True):
    """The first frame of a worker.

    Attributes:
        oldest: Lowest version that the worker supports.
        newest: Highest version that the worker supports.
        worker: Name of the worker: 16 random bytes, new in every process and after every fork.
    """

    oldest: Annotated[int, Meta(ge=1, le=1 << 16)]
    newest: Annotated[int, Meta(ge=1, le=1 << 16)]
    worker: Annotated[bytes, Meta(min_length=1, max_length=MAX_WORKER_BYTES)]


class Welcome(Struct, array_like=True, frozen=True):
    """The first frame of an agent that accepts the worker.

    Attributes:
        version: Highest version that both support.
    """

    version: Annotated[int, Meta(ge=1, le=1 << 16)]


class Acknowledged(Struct, array_like=True, frozen=True):
    """Confirms that a batch and all earlier ones are committed, except refused ones."""

    sequence: Annotated[int, Meta(ge=0, le=MAX_SEQUENCE)]


class Refused(Struct, array_like=True, frozen=True):
    """Refuses a worker, whose connection the agent then closes, or refuses a single batch.

    Attributes:
        why: Reason, a value of `Why`; later versions may add values.
        reason: Reason in words, for the worker's log.
        sequence: Sequence number of the refused batch, if the connection continues; 0 if the
            connection ends.
    """

    why: int
    reason: Annotated[str, Meta(max_length=MAX_TEXT)]
    sequence: Annotated[int, Meta(ge=0, le=MAX_SEQUENCE)] = 0


class Cost(Struct, array_like=True):
    """The cost of observation in a process over a period.

    Attributes:
        cpu_seconds: CPU time of nilometer's threads, and of its part of the requests.
        requests: Number of requests in the period.
        exceeded_seconds: Time during which a limit was exceeded.
        p99_seconds: Time added to a request (99th percentile), from the latest timed requests; 0 if
            there are none.
        share: Share of the observations whose bodies are held, at the end of the period.
    """

    cpu_seconds: float = 0.0
    requests: Annotated[int, Meta(ge=0, le=MAX_COUNT)] = 0
    exceeded_seconds: float = 0.0
    p99_seconds: float = 0.0
    share: float = 1.0

    def add(self, later: "Cost") -> None:
        """Add the cost of a later period."""
        self.cpu_seconds += later.cpu_seconds
        self.requests += later.requests
        self.exceeded_seconds += later.exceeded_seconds
        self.p99_seconds = later.p99_seconds
        self.share = later.share


class Batch(Struct, array_like=True, kw_only=True):
    """Observations of one entity, or profiles that a worker made from them.

    A later version may append fields. A reader ignores fields that it does not know.

    Attributes:
        worker: Name of the worker: 16 random bytes, new in every process and after every fork.
        sequence: Number of the batch: 1, 2, 3 ... per worker; each (worker, sequence) counts once.
        entity: Name of the monitored entity; with observations it may be a template such as
            ``{model}``, see `nilometer.values.templates`.
        count: Number of observations in `observations`, or in `partials`.
        labels: Labels of every observation in the batch; with observations, values may be templates.
        event_time_field: Input column that holds the event time; empty without one.
        dropped: Number of observations lost in the worker since the last batch, by reason.
        dropped_unix_nano: Event time for the lost observations, in Unix nanoseconds.
        cost: Cost of observing since the last batch; None if unknown.
        partials: Profiles of finished partial windows, made in the process; each is the bytes of a
            ``nilometer.v1.SummarySample``.
        observations: Observations as a MessagePack array, see `nilometer.profiling.observation`.
        event_time_unit: Unit of event times that are numbers: ``s``, ``ms``, ``us`` or ``ns``;
            empty derives it from the magnitude.
        event_time_zone: IANA name of the time zone of event times without an offset; empty for UTC.
        include: Rules for requests that are predictions, see `nilometer.values.request_rules`.
    """

    worker: Annotated[bytes, Meta(min_length=1, max_length=MAX_WORKER_BYTES)] = b""
    sequence: Annotated[int, Meta(ge=1, le=MAX_SEQUENCE)] = 0
    entity: str
    count: Annotated[int, Meta(ge=0, le=MAX_COUNT)] = 0
    labels: Annotated[dict[str, str], Meta(max_length=MAX_LABELS)] = field(default_factory=dict)
    event_time_field: str = ""
    dropped: Annotated[
        dict[str, Annotated[int, Meta(ge=0, le=MAX_COUNT)]], Meta(max_length=MAX_REASONS)
    ] = field(default_factory=dict)
    dropped_unix_nano: Annotated[int, Meta(ge=0, le=MAX_TIME_NS)] = 0
    cost: Cost | None = None
    partials: Annotated[Sequence[bytes], Meta(max_length=MAX_PARTIALS)] = ()
    observations: bytes = b""
    event_time_unit: str = ""
    event_time_zone: str = ""
    include: Annotated[list[str], Meta(max_length=MAX_RULES)] = field(default_factory=list)


class Account(Struct, array_like=True):
    """The counts in a batch, read without checking limits, to report a refused batch.

    Attributes:
        worker: As in `Batch`, like all other fields.
    """

    worker: bytes
    sequence: Annotated[int, Meta(ge=1, le=MAX_SEQUENCE)]
    entity: object = None
    count: object = None
    labels: object = None
    event_time_field: object = None
    dropped: object = None


Body = Hello | Welcome | Batch | Acknowledged | Refused

_encoder = msgspec.msgpack.Encoder()
_KINDS: dict[type[Struct], Kind] = {
    Hello: Kind.HELLO,
    Welcome: Kind.WELCOME,
    Batch: Kind.BATCH,
    Acknowledged: Kind.ACKNOWLEDGED,
    Refused: Kind.REFUSED,
}
_DECODERS: dict[int, msgspec.msgpack.Decoder[Body]] = {
    kind: msgspec.msgpack.Decoder(body) for body, kind in _KINDS.items()
}
_account_decoder = msgspec.msgpack.Decoder(Account)


def frame_of(body: Body) -> bytearray:
    """Return *body* as a frame.

    Raises:
        BadFrame: If the frame is over `MAX_FRAME_BYTES`.
    """
    frame = bytearray(HEAD_BYTES)
    _encoder.encode_into(body, frame, HEAD_BYTES)
    length = len(frame) - LENGTH_BYTES
    if length > MAX_FRAME_BYTES:
        raise BadFrame(f"a frame of {length} bytes: must be at most {MAX_FRAME_BYTES}")
    frame[:LENGTH_BYTES] = length.to_bytes(LENGTH_BYTES, "little")
    frame[LENGTH_BYTES] = _KINDS[type(body)]
    return frame


def length_in(head: bytes | bytearray | memoryview) -> int:
    """Return the number of bytes that follow the length at the start of *head*.

    Raises:
        BadFrame: If no valid frame has this length.
    """
    length = int.from_bytes(head[:LENGTH_BYTES], "little")
    if not 1 < length <= MAX_FRAME_BYTES:
        raise BadFrame(f"a frame of {length} bytes: must be 2 to {MAX_FRAME_BYTES}")
    return length


def body_of(kind: int, content: bytes | bytearray | memoryview) -> Body:
    """Return the body of a frame.

    Raises:
        BadFrame: If the kind is unknown, or *content* does not fit the kind.
    """
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise BadFrame(f"a frame of kind {kind}: known are {', '.join(k.name for k in Kind)}")
    try:
        return decoder.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadFrame(f"malformed {Kind(kind).name.lower()} frame: {error}") from error


def account_of(content: bytes | bytearray | memoryview) -> Account | None:
    """Return the counts of a batch that may break the contract; None if it is unreadable."""
    try:
        return _account_decoder.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def common_version(hello: Hello) -> int | None:
    """Return the highest version that both sides support; None if there is none."""
    newest = min(hello.newest, NEWEST_VERSION)
    return newest if newest >= max(hello.oldest, OLDEST_VERSION) else None
