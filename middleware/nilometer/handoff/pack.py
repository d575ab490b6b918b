"""Packs an exchange into bytes; only the parts that settings or decoders need.

Packing happens in the request path, because bytes are cheaper to keep than objects. The queue then
holds one object per request, which the garbage collector never visits, and the background thread
only joins them. Packed headers are the content type and encoding, the ids, and the headers
that settings name. Other headers are not sent, nor query parameters that no setting names.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from operator import index
from typing import Any, NamedTuple, TypeAlias

from nilometer.handoff.annotations import encoded, valid_labels
from nilometer.handoff.plain import Annotations
from nilometer.handoff.settings import CaptureSettings
from nilometer.profiling.observation import CALL, WEBSOCKET, pack
from nilometer.values.reasons import DropReason
from nilometer.values.streams import Ends

Headers: TypeAlias = Iterable[tuple[bytes, bytes]]
Body: TypeAlias = bytes | bytearray | None  # one chunk, several chunks, or over the cap
Fields: TypeAlias = tuple[Any, ...]  # the fields of `nilometer.profiling.observation.Observation`

MAX_TEXTS = 1024  # most decoded header values in the cache
MAX_ID = 256  # longest id from a header, in characters

_TYPE, _ENCODING, _TRACE = b"content-type", b"content-encoding", b"traceparent"
_LENGTH = b"inference-header-content-length"
DESCRIBING = frozenset({_TYPE, _ENCODING})  # names of headers that have fields of their own


class Streamed(NamedTuple):
    """The summary of a response in several chunks.

    Attributes:
        chunks: Number of body messages that are not empty.
        gaps: Seconds between the first 513 chunks, as little-endian float32.
        end: End of the stream, a value of `nilometer.values.reasons.StreamEnd`.
        sizes: Bytes from mark to mark, as little-endian uint32, see `nilometer.capture.stream`. The
            first one is the size of the first chunk.
        later_gaps: Seconds between the marks after the first 513, as little-endian float32.
    """

    chunks: int
    gaps: bytes
    end: str
    sizes: bytes
    later_gaps: bytes


class Rest(NamedTuple):
    """The details of an observation that is not one plain body in each direction.

    Attributes:
        request_size: Size of the request's body, in bytes.
        response_size: Size of the response's body, in bytes.
        first_byte: Seconds to the first byte of the response's body; 0 without one.
        streamed: Summary of a response in several chunks; else None.
        annotations: Values and labels added by `nilometer.log` and `label`; else None.
        query: Query string; None if no setting names parameters.
        share: Sampling share at the start of this observation; negative if it is sampled out and
            only counted.
        ends: Start and end of a streamed response over the cap; else None.
        route: Template of the route; or empty.
    """

    request_size: int
    response_size: int
    first_byte: float
    streamed: Streamed | None
    annotations: Annotations | None
    query: bytes | None
    share: float = 1.0
    ends: Ends | None = None
    route: str = ""


class Packer:
    """Packs observations into bytes. Any thread may use it.

    Attributes:
        request_names: Names, in lower case, of the request headers that `pack` reads.
        response_names: Names, in lower case, of the response headers that `pack` reads.
        values_only: Whether `log` is the only content of an observation.
    """

    def __init__(self, settings: CaptureSettings) -> None:
        self._event_time = _name(settings.event_time_header)
        ids = (settings.prediction_id_header, settings.return_prediction_id)
        self._ids = (*(_name(one) for one in ids if one), b"ce-id", b"x-request-id")
        returned = _name(settings.return_prediction_id)
        self._returned = (*((returned,) if returned else ()), b"ce-id", b"x-request-id")
        self._parent = _name(settings.parent_header)
        self._labels = {_name(header): label for label, header in settings.label_headers.items()}
        self._query = frozenset(settings.query_parameters)
        self._texts = _Texts()
        self.values_only = settings.capture == "values"
        asked = {*self._ids, *self._labels, self._parent, self._event_time, _TRACE} - {b""}
        self.request_names = DESCRIBING | {_LENGTH, *asked}
        self.response_names = DESCRIBING | {_LENGTH, *self._returned}

    def pack(  # noqa: C901, PLR0912  in the path of every request, see NilometerMiddleware
        self,
        arrival_ns: int,
        latency: float,
        status: int,
        outcome: str,
        method: str,
        path: str,
        request_headers: Headers,
        response_headers: Headers,
        request: Body,
        response: Body,
        in_flight: int,
        rest: Rest | None,
    ) -> bytes:
        """Return one observation as a MessagePack array.

        The first attempt fails for unusual types, such as a `bytearray` in a header or a numpy
        integer as the status. A second attempt converts them first.

        Args:
            arrival_ns: Start of the request, in Unix nanoseconds.
            latency: Seconds until the response was passed on, or until the end without a response.
            status: HTTP status; 0 without a response.
            outcome: Outcome, a value of `nilometer.values.reasons.Outcome`.
            method: HTTP method.
            path: Path without the query string.
            request_headers: Headers from the server, with names in lower case.
            response_headers: Headers as the application sent them.
            request: Body of the request; None if it was over the cap.
            response: Body of the response; None if it was over the cap.
            in_flight: Number of requests in progress in this process at the start, including this one.
            rest: Details of an exchange that is not one plain body in each direction; None
                if the bodies are complete, and the response was one chunk.
        """
        try:
            texts, wanted = self._texts, self.request_names
            request_type = request_encoding = response_type = response_encoding = ""
            asked = returned = None
            for name, value in request_headers:
                if name in wanted:
                    if name == _TYPE:
                        request_type = texts[value]
                    elif name == _ENCODING:
                        request_encoding = texts[value]
                    elif asked is None:
                        asked = {name: value}
                    else:
                        asked[name] = value
            wanted = self.response_names
            for name, value in response_headers:
                if name in wanted:
                    if name == _TYPE:
                        response_type = texts[value]
                    elif name == _ENCODING:
                        response_encoding = texts[value]
                    elif returned is None:
                        returned = {name: value}
                    else:
                        returned[name] = value
            if not response_type and response_headers:
                # Some applications send header names in capitals.
                lower = {name.lower(): value for name, value in response_headers}
                response_type = texts[lower.get(_TYPE, b"")]
                response_encoding = texts[lower.get(_ENCODING, b"")]
                returned = {
                    name: lower[name] for name in (*self._returned, _LENGTH) if name in lower
                }
            if rest is None and asked is None and not returned:
                first_byte, chunks = (latency, 1) if response else (0.0, 0)
                return pack(
                    (
                        arrival_ns, latency, status, outcome, method, path,
                        len(request), len(response),  # type: ignore[arg-type]  # not None here
                        request_type, request_encoding, response_type, response_encoding,
                        request, response, "", in_flight, first_byte, chunks,
                    )
                )  # fmt: skip
            if rest is None:
                rest = Rest(
                    len(request or b""), len(response or b""), latency if response else 0.0,
                    None, None, None,
                )  # fmt: skip
            event_time, more = self._more(asked or {}, returned or {}, rest)
            chunks = rest.streamed.chunks if rest.streamed is not None else int(rest.first_byte > 0)
            return pack(
                (
                    arrival_ns, latency, status, outcome, method, path,
                    rest.request_size, rest.response_size,
                    request_type, request_encoding, response_type, response_encoding,
                    request, response, event_time, in_flight, rest.first_byte, chunks, *more,
                )
            )  # fmt: skip
        except (TypeError, ValueError, AttributeError):
            if type(request_headers) is _PlainHeaders:
                raise  # the cause is not an unusual type
            return self.pack(
                arrival_ns, latency, index(status), outcome, str.__str__(method), str.__str__(path),
                _PlainHeaders(request_headers), _PlainHeaders(response_headers),
                request, response, in_flight, rest,
            )  # fmt: skip

    def _more(
        self, request: Mapping[bytes, bytes], response: Mapping[bytes, bytes], rest: Rest
    ) -> tuple[str, Fields]:
        """Return the event time, and the fields that only few observations have."""
        streamed = rest.streamed
        gaps, end = (b"", "") if streamed is None else (streamed.gaps, streamed.end)
        event_time = identity = trace_parent = parent = ""
        if request or response:
            trace = request.get(_TRACE, b"")[:MAX_ID]
            event_time = request.get(self._event_time, b"").decode("latin-1")
            identity = self._id(request, response, trace)[:MAX_ID].decode("latin-1")
            trace_parent = trace.decode("latin-1")
            parent = request.get(self._parent, b"")[:MAX_ID].decode("latin-1")
        lengths = None
        if _LENGTH in request or _LENGTH in response:
            lengths = [
                one.get(_LENGTH, b"")[:MAX_ID].decode("latin-1") for one in (request, response)
            ]
        annotations, query, share = rest.annotations, rest.query, rest.share
        labels: Mapping[str, str] = self._labels_of(request) if self._labels and request else {}
        values = b""
        if annotations is not None:
            labels = {**labels, **annotations.labels} if labels else annotations.labels
            if annotations.values and share > 0:
                values = encoded(annotations.values)
        return event_time, (
            *(gaps, end, identity, trace_parent, parent, labels, values),
            self._named(query) if query else "",
            *self._share(
                share,
                rest.ends,
                lengths if lengths is not None and any(lengths) else None,
                rest.route,
                streamed,
            ),
        )

    def pack_call(
        self,
        arrival_ns: int,
        latency: float,
        outcome: str,
        function: str,
        in_flight: int,
        values: dict[str, Any],
        labels: Mapping[str, str],
        share: float,
    ) -> bytes:
        """Return the observation of a function call, in the form that `pack` returns.

        Args:
            arrival_ns: Start of the call, in Unix nanoseconds.
            latency: Duration in seconds.
            outcome: Outcome, a value of `nilometer.values.reasons.Outcome`.
            function: Qualified name of the function.
            in_flight: Number of calls in progress in this process at the start, itself included.
            values: Inputs and outputs by name.
            labels: Labels added by the model's code.
            share: Sampling share, see `Rest`.
        """
        return pack(
            (
                arrival_ns, latency, 0, outcome, CALL, function, 0, 0, "", "", "", "", None, None,
                "", in_flight, 0.0, 0, b"", "", "", "", "", labels,
                encoded(values) if share > 0 else b"", "", abs(share), share < 0, True,
            )
        )  # fmt: skip

    def pack_connection(
        self,
        arrival_ns: int,
        duration: float,
        end: str,
        path: str,
        sizes: tuple[int, int],
        websocket: tuple[int, int, int],
        route: str,
    ) -> bytes:
        """Return the observation of a WebSocket connection, in the form that `pack` returns.

        Args:
            arrival_ns: Start of the request, in Unix nanoseconds.
            duration: Seconds until the connection ended.
            end: Kind of end, a value of `nilometer.values.reasons.ConnectionEnd`.
            path: Path of the request.
            sizes: Bytes received and sent.
            websocket: Messages received and sent, and the close code.
            route: Template of the route; or empty.
        """
        return pack(
            (
                arrival_ns, duration, 0, end, WEBSOCKET, path, *sizes, "", "", "", "", None, None,
                "", 0, 0.0, 0, b"", "", "", "", "", None, b"", "", 1.0, False, False, None, None,
                route, b"", b"", websocket,
            )
        )  # fmt: skip

    def _share(
        self,
        share: float,
        ends: Ends | None,
        lengths: list[str] | None,
        route: str,
        streamed: Streamed | None,
    ) -> Fields:
        """Return the fields from `share` on; trailing fields with default values are left out."""
        if streamed is not None:
            stream = (streamed.sizes, streamed.later_gaps)
            return (abs(share), share < 0, self.values_only, ends, lengths, route, *stream)
        if route:
            return (abs(share), share < 0, self.values_only, ends, lengths, route)
        if lengths is not None:
            return (abs(share), share < 0, self.values_only, ends, lengths)
        if ends is not None:
            return (share, False, False, ends)
        if self.values_only:
            return (abs(share), share < 0, True)
        return () if share == 1.0 else (abs(share), share < 0)

    def _id(
        self, request: Mapping[bytes, bytes], response: Mapping[bytes, bytes], trace_parent: bytes
    ) -> bytes:
        """Return the id of the request, or else of the response, or else of the trace."""
        for headers, names in ((request, self._ids), (response, self._returned)):
            for name in names:
                if headers.get(name):
                    return headers[name]
        parts = trace_parent.split(b"-")
        return parts[1] if len(parts) >= 4 and len(parts[1]) == 32 else b""

    def _labels_of(self, request: Mapping[bytes, bytes]) -> dict[str, str]:
        return valid_labels(
            {
                label: request[header].decode("latin-1")
                for header, label in self._labels.items()
                if header in request
            }
        )

    def _named(self, query: bytes) -> str:
        """Return the query parameters that settings name, not decoded."""
        text = query.decode("latin-1")
        if "*" in self._query:
            return text
        return "&".join(pair for pair in text.split("&") if pair.partition("=")[0] in self._query)


class _PlainHeaders(list[tuple[bytes, bytes]]):
    """Headers as pairs of `bytes`; malformed headers are left out."""

    def __init__(self, headers: Iterable[Any]) -> None:
        for pair in headers:
            with suppress(TypeError, ValueError):
                name, value = pair
                self.append((bytes(memoryview(name)), bytes(memoryview(value))))


class _Texts(dict[bytes, str]):
    """A cache of header values as text, because a few values repeat."""

    def __missing__(self, value: bytes) -> str:
        text = value.decode("latin-1")
        if len(self) < MAX_TEXTS:
            self[value] = text
        return text


def batch_of(packed: Sequence[bytes]) -> bytes:
    """Return *packed* observations as one MessagePack array; at most 65,535."""
    count = len(packed)
    head = bytes((0x90 | count,)) if count < 16 else b"\xdc" + count.to_bytes(2, "big")
    return b"".join((head, *packed))


def with_spoilt(dropped: Mapping[DropReason, int], spoilt: int) -> dict[str, int]:
    """Return the numbers of lost observations by the text of their reason."""
    counts = {reason.value: count for reason, count in dropped.items()}
    if spoilt:
        reason = DropReason.INTERNAL_ERROR.value
        counts[reason] = counts.get(reason, 0) + spoilt
    return counts


def _name(header: str) -> bytes:
    return header.lower().encode("latin-1", "replace")
