"""The format of an observation between worker and agent: one MessagePack array.

The worker packs plain tuples in this order, and the agent decodes them as `Observation`. New fields
are appended and have a default, so that the agent can read batches from older workers.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta

MOST_NS = 1 << 62  # the year 2116
MOST_BYTES = 1 << 48  # largest size of a body; sums over a window stay far below 2 ** 63
MOST_COUNT = 1 << 31
MOST_SECONDS = 1e9
CALL = "CALL"  # method of a function call, instead of an HTTP method
WEBSOCKET = "WEBSOCKET"  # method of a WebSocket connection, instead of an HTTP method
LEAST_SHARE = 2.0**-10  # smallest sampling share that the overhead budget may choose

Count: TypeAlias = Annotated[int, Meta(ge=0, le=MOST_COUNT)]
Size: TypeAlias = Annotated[int, Meta(ge=0, le=MOST_BYTES)]
Seconds: TypeAlias = Annotated[float, Meta(ge=0, le=MOST_SECONDS)]


class Observation(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One request and its response before profiling. It is never written to disk.

    Attributes:
        arrival_ns: Arrival time of the request, in Unix nanoseconds.
        latency: Seconds from arrival to the last byte of the response, or to the end of the request
            if there is no response.
        status: HTTP status code; 0 without a response.
        outcome: Outcome, a value of `nilometer.profile.Outcome`.
        method: HTTP method.
        path: Path without the query string.
        request_size: Size of the body that the application read, in bytes.
        response_size: Size of the body that the application sent, in bytes.
        request_type: Content type of the request; may be empty.
        request_encoding: Content encoding of the request; may be empty.
        response_type: Content type of the response; may be empty.
        response_encoding: Content encoding of the response; may be empty.
        request_body: Body of the request; None if it exceeded the capture limit.
        response_body: Body of the response; None if it exceeded the capture limit.
        event_time: Value of the configured event time header; may be empty.
        in_flight: Number of requests in flight in this process at the start, including this one.
        first_byte: Seconds from arrival to the first byte of the response body; 0 without a body.
        chunks: Number of non-empty body messages of the response.
        chunk_gaps: Seconds between these messages as little-endian float32, at most 512 values.
        stream_end: End of a response with several chunks, a value of
            `nilometer.values.reasons.StreamEnd`.
        prediction_id: Prediction id from a header; an id in a body takes precedence.
        trace_parent: W3C ``traceparent`` header, unchanged.
        parent_entity: Name of the calling entity, from a header; may be empty.
        labels: Labels from headers or the application, in addition to those of the middleware.
        values: Values passed to `nilometer.log`, as a MessagePack map from a name to a value or a
            list of values.
        query: Configured query parameters, URL-encoded as received.
        share: Share of observations whose bodies were held when this request started; 0 < share <=
            1.
        left_out: Whether the overhead budget left out the bodies; the request is still counted.
        values_only: Whether bodies are never kept, so that `values` is the only content.
        response_ends: Start and end of a streamed response over the capture limit; otherwise None.
            `response_size` minus both lengths is the number of bytes between them.
        header_lengths: Value of ``Inference-Header-Content-Length`` of the request and of the
            response, each empty without one; None if neither has it.
        route: Template of the route, such as ``/items/{id}``, if a setting needs it and the
            framework provides it; otherwise empty.
        chunk_sizes: Bytes from each mark to the next, beginning with the first message, as
            little-endian uint32; empty if the response is one message. The first 513 messages have
            one mark each. Later marks cover several messages, see `nilometer.capture.stream`.
        later_gaps: Seconds between the marks after the first 513, as little-endian float32.
        websocket: Messages received, messages sent, and the close code (0 without one) of a
            WebSocket connection; None for any other observation. Its `outcome` is a value of
            `nilometer.values.reasons.ConnectionEnd`, its `latency` the duration, and its sizes are
            the bytes received and sent.
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
    header_lengths: tuple[str, str] | None = None
    route: str = ""
    chunk_sizes: bytes = b""
    later_gaps: bytes = b""
    websocket: tuple[Count, Count, Annotated[int, Meta(ge=0, le=4999)]] | None = None


def readable(arrays: Sequence[Sequence[Any]]) -> list[Observation]:
    """Return the valid observations among *arrays*."""
    found = []
    for array in arrays:
        with suppress(msgspec.ValidationError):
            found.append(msgspec.convert(array, Observation))
    return found


def declared(packed: bytes) -> int:
    """Return the number of observations that a batch's header declares, without unpacking it."""
    head = packed[:1]
    if b"\x90" <= head < b"\xa0":
        return head[0] & 0x0F
    sizes = {b"\xdc": 2, b"\xdd": 4}
    return int.from_bytes(packed[1 : 1 + sizes.get(bytes(head), 0)], "big")


def parts_of(packed: bytes) -> list[bytes]:
    """Split a batch into batches of one observation each.

    Raises:
        msgspec.DecodeError: If the bytes are not a batch.
    """
    return [pack([array]) for array in raw_arrays(packed)]


pack = msgspec.msgpack.Encoder().encode  # encodes a sequence of tuples in the order above
raw_arrays = msgspec.msgpack.Decoder(list[list[Any]]).decode  # not validated yet
_decoder = msgspec.msgpack.Decoder(list[Observation])


def unpack(packed: bytes) -> list[Observation]:
    """Return the observations of one batch.

    Raises:
        msgspec.DecodeError: If the bytes are not a valid batch.
    """
    return _decoder.decode(packed)
