"""The frames in which a worker hands batches to its agent; docs/frames.md is the contract.

A frame is a length, a kind and one MessagePack array. Neither protobuf nor gRPC is needed for it:
this is what a model server imports.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct, field

OLDEST_VERSION: Final = 1
NEWEST_VERSION: Final = 1

LENGTH_BYTES: Final = 4  # little-endian: of the kind and the body
HEAD_BYTES: Final = LENGTH_BYTES + 1
MAX_FRAME_BYTES: Final = 4 << 20  # of the kind and the body
MAX_WORKER_BYTES: Final = 64
MAX_PARTIALS: Final = 4096  # of one batch
MAX_LABELS: Final = 64
MAX_REASONS: Final = 64
MAX_SEQUENCE: Final = (1 << 63) - 1  # what a column of the outbox holds
MAX_TIME_NS: Final = 1 << 62  # the year 2116
MAX_TEXT: Final = 1024  # characters
MAX_COUNT: Final = 1 << 48  # observations in one batch: sums over a window stay far from 2 ** 63


class Kind(IntEnum):
    """What a frame is. Other kinds are of a later version and end the connection."""

    HELLO = 1
    WELCOME = 2
    BATCH = 3
    ACKNOWLEDGED = 4
    REFUSED = 5


class Why(IntEnum):
    """Why an agent refuses a worker."""

    VERSION = 1  # no version of the frames that both know
    FULL = 2  # the agent serves as many workers as it can: try again later
    CONTRACT = 3  # a frame breaks the contract: the same frame will be refused again


class BadFrame(ValueError):
    """Bytes that are no frame of the contract."""


class Hello(Struct, array_like=True, frozen=True):
    """First frame of a worker.

    Attributes:
        oldest: Lowest version it speaks.
        newest: Highest version it speaks.
        worker: 16 random bytes, new in every process and after every fork.
    """

    oldest: Annotated[int, Meta(ge=1, le=1 << 16)]
    newest: Annotated[int, Meta(ge=1, le=1 << 16)]
    worker: Annotated[bytes, Meta(min_length=1, max_length=MAX_WORKER_BYTES)]


class Welcome(Struct, array_like=True, frozen=True):
    """First frame of an agent that takes the worker.

    Attributes:
        version: Highest version that both speak.
    """

    version: Annotated[int, Meta(ge=1, le=1 << 16)]


class Acknowledged(Struct, array_like=True, frozen=True):
    """A batch and every earlier one of this worker is committed, but for those that were refused."""

    sequence: Annotated[int, Meta(ge=0, le=MAX_SEQUENCE)]


class Refused(Struct, array_like=True, frozen=True):
    """The agent takes no more of this connection, and closes it; or it does not take one batch.

    Attributes:
        why: A value of `Why`; later versions may add some.
        reason: In words, for the worker's log.
        sequence: Of the batch that is refused, where the connection goes on without it; 0 ends the
            connection.
    """

    why: int
    reason: Annotated[str, Meta(max_length=MAX_TEXT)]
    sequence: Annotated[int, Meta(ge=0, le=MAX_SEQUENCE)] = 0


class Cost(Struct, array_like=True):
    """What observing cost a process over some time.

    Attributes:
        cpu_seconds: Processor time: of our threads, and our part of the requests.
        requests: It was spent on.
        exceeded_seconds: That a limit was exceeded.
        p99_seconds: Added to a request at its 99th percentile, as far as the latest that were timed
            tell; 0 where none was.
        share: Of the observations that are held, at the end.
    """

    cpu_seconds: float = 0.0
    requests: Annotated[int, Meta(ge=0, le=MAX_COUNT)] = 0
    exceeded_seconds: float = 0.0
    p99_seconds: float = 0.0
    share: float = 1.0

    def add(self, later: "Cost") -> None:
        """Add what it cost after that."""
        self.cpu_seconds += later.cpu_seconds
        self.requests += later.requests
        self.exceeded_seconds += later.exceeded_seconds
        self.p99_seconds = later.p99_seconds
        self.share = later.share


class Batch(Struct, array_like=True, kw_only=True):
    """Observations of one entity, or profiles that a worker made of them.

    A later version may append fields; a reader ignores those that it does not know.

    Attributes:
        worker: 16 random bytes, new in every process and after every fork.
        sequence: 1, 2, 3 ... of this worker; (worker, sequence) counts once.
        entity: Name of the monitored entity.
        count: Observations in `observations`, or in `partials`.
        labels: Of every observation in the batch.
        event_time_field: Input column that holds the event time; empty for none.
        dropped: Observations that were lost in the worker since the batch before, by reason.
        dropped_unix_nano: Event time they are booked on.
        cost: What observing cost since the batch before; None where that is not known.
        partials: Profiles made in the process: finished partial windows, each the bytes of a
            ``nilometer.v1.SummarySample``.
        observations: MessagePack array of observations, see `nilometer.profiling.observation`.
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


class Account(Struct, array_like=True):
    """What a batch says of itself, read without its bounds: for one that is refused.

    Attributes:
        worker: As in `Batch`, and so are the others.
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
    """*body* as one frame.

    Raises:
        BadFrame: If it is over `MAX_FRAME_BYTES`.
    """
    frame = bytearray(HEAD_BYTES)
    _encoder.encode_into(body, frame, HEAD_BYTES)
    length = len(frame) - LENGTH_BYTES
    if length > MAX_FRAME_BYTES:
        raise BadFrame(f"a frame of {length} bytes: at most {MAX_FRAME_BYTES}")
    frame[:LENGTH_BYTES] = length.to_bytes(LENGTH_BYTES, "little")
    frame[LENGTH_BYTES] = _KINDS[type(body)]
    return frame


def length_in(head: bytes | bytearray | memoryview) -> int:
    """Bytes of kind and body that follow the length at the beginning of *head*.

    Raises:
        BadFrame: If no frame is so long.
    """
    length = int.from_bytes(head[:LENGTH_BYTES], "little")
    if not 1 < length <= MAX_FRAME_BYTES:
        raise BadFrame(f"a frame of {length} bytes: from 2 to {MAX_FRAME_BYTES}")
    return length


def body_of(kind: int, content: bytes | bytearray | memoryview) -> Body:
    """The body of a frame.

    Raises:
        BadFrame: If the kind is unknown, or *content* is not what it says.
    """
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise BadFrame(f"a frame of kind {kind}: known are {', '.join(k.name for k in Kind)}")
    try:
        return decoder.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadFrame(f"no {Kind(kind).name.lower()} frame: {error}") from error


def account_of(content: bytes | bytearray | memoryview) -> Account | None:
    """The account of a batch that may be against the contract; None where not even that is read."""
    try:
        return _account_decoder.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def common_version(hello: Hello) -> int | None:
    """Highest version that the worker and this code speak; None where there is none."""
    newest = min(hello.newest, NEWEST_VERSION)
    return newest if newest >= max(hello.oldest, OLDEST_VERSION) else None
