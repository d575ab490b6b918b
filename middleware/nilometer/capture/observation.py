"""An observation as it travels from the worker to the agent: one MessagePack array.

The worker packs plain tuples in this order; the agent reads them as `Observation`. New fields go
to the end and have a default, so that an older worker stays readable.
"""

import msgspec


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
    """

    arrival_ns: int
    latency: float
    status: int
    outcome: str
    method: str
    path: str
    request_size: int
    response_size: int
    request_type: str
    request_encoding: str
    response_type: str
    response_encoding: str
    request_body: bytes | None
    response_body: bytes | None
    event_time: str = ""


pack = msgspec.msgpack.Encoder().encode  # a sequence of tuples in the order above
_decoder = msgspec.msgpack.Decoder(list[Observation])


def unpack(packed: bytes) -> list[Observation]:
    """The observations of one batch.

    Raises:
        msgspec.DecodeError: If the bytes are not such a batch.
    """
    return _decoder.decode(packed)
