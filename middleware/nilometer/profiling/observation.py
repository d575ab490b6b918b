"""An observation as it travels from the worker to the agent: one MessagePack array.

The worker packs plain tuples in this order; the agent reads them as `Observation`. New fields go
to the end and have a default, so that an older worker stays readable.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta

MOST_NS = 1 << 62  # the year 2116
MOST_BYTES = 1 << 48  # of a body: sums over a window stay far from 2 ** 63
MOST_COUNT = 1 << 31
MOST_SECONDS = 1e9
LEAST_SHARE = 2.0**-10  # of the observations whose bodies a worker still holds under its budget

Count: TypeAlias = Annotated[int, Meta(ge=0, le=MOST_COUNT)]
Size: TypeAlias = Annotated[int, Meta(ge=0, le=MOST_BYTES)]
Seconds: TypeAlias = Annotated[float, Meta(ge=0, le=MOST_SECONDS)]


class Observation(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One request and its response, before profiling. Lives in memory only.

    Attributes:
        arrival_ns: Unix nanoseconds at which the request came.
        latency: Seconds until the last byte of the answer was passed on, or the end without one.
        status: HTTP status code; 0 without an answer.
        outcome: A value of `nilometer.profile.Outcome`.
        method: HTTP method.
        path: Without the query string.
        request_size: Bytes of the body that the application read.
        response_size: Bytes of the body that the application sent.
        request_type: Content type, or empty.
        request_encoding: Content encoding, or empty.
        response_type: Content type, or empty.
        response_encoding: Content encoding, or empty.
        request_body: None when it was over the cap.
        response_body: None when it was over the cap.
        event_time: What the named header said, or empty.
        in_flight: Requests of this process in flight when this one began, itself included.
        first_byte: Seconds from the start to the first byte of the answer's body; 0 when there was none.
        chunks: Body messages of the answer with bytes.
        chunk_gaps: Little-endian float32 seconds between them, at most 512.
        stream_end: A value of `nilometer.values.reasons.StreamEnd` for an answer of more than one chunk.
        prediction_id: From a header; what the body says comes before it.
        trace_parent: The W3C header as it came.
        parent_entity: Who asked, where a header tells.
        labels: From headers or the model's own code, beyond the middleware's.
        values: MessagePack map from a name to the value, or the list of values, that
            `nilometer.log` was given.
        query: Named query parameters, encoded as they came.
        share: Of the observations whose bodies are held, as it was when this one began, above 0 to 1.
        left_out: Whether this one's were not, to keep the overhead budget; it is counted all the same.
        values_only: Whether bodies are never held, and `values` is all there is.
        response_ends: Of a streamed answer over the cap its start and its end, without the bytes
            between: as many as `response_size` is longer than both. Else None.
    """

    arrival_ns: Annotated[int, Meta(ge=0, le=MOST_NS)]
    latency: Seconds
    status: Annotated[int, Meta(ge=0, le=999)]
    outcome: str
    method: str
    path: str
    request_size: Size
    response_size: Size
    request_type: str
    request_encoding: str
    response_type: str
    response_encoding: str
    request_body: bytes | None
    response_body: bytes | None
    event_time: str = ""
    in_flight: Count = 0
    first_byte: Seconds = 0.0
    chunks: Count = 0
    chunk_gaps: bytes = b""
    stream_end: str = ""
    prediction_id: str = ""
    trace_parent: str = ""
    parent_entity: str = ""
    labels: dict[str, str] | None = None
    values: bytes = b""
    query: str = ""
    share: float = 1.0
    left_out: bool = False
    values_only: bool = False
    response_ends: tuple[bytes, bytes] | None = None


def readable(arrays: Sequence[Sequence[Any]]) -> list[Observation]:
    """Those of *arrays* that are observations."""
    found = []
    for array in arrays:
        with suppress(msgspec.ValidationError):
            found.append(msgspec.convert(array, Observation))
    return found


def declared(packed: bytes) -> int:
    """How many observations a batch says that it has: its first bytes, before it is unpacked."""
    head = packed[:1]
    if b"\x90" <= head < b"\xa0":
        return head[0] & 0x0F
    sizes = {b"\xdc": 2, b"\xdd": 4}
    return int.from_bytes(packed[1 : 1 + sizes.get(bytes(head), 0)], "big")


def parts_of(packed: bytes) -> list[bytes]:
    """Each observation of a batch as a batch of its own.

    Raises:
        msgspec.DecodeError: If the bytes are not a batch.
    """
    return [pack([array]) for array in raw_arrays(packed)]


pack = msgspec.msgpack.Encoder().encode  # a sequence of tuples in the order above
raw_arrays = msgspec.msgpack.Decoder(list[list[Any]]).decode  # of one batch, unchecked inside
_decoder = msgspec.msgpack.Decoder(list[Observation])


def unpack(packed: bytes) -> list[Observation]:
    """The observations of one batch.

    Raises:
        msgspec.DecodeError: If the bytes are not such a batch.
    """
    return _decoder.decode(packed)
