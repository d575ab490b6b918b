"""From what the path kept to the arrays that travel: only what a setting or a decoder needs.

Of the headers the content's type and encoding, the ids and what the settings name are picked here;
redaction is done here; no other header, and no query parameter that is not named, goes further.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from nilometer.capture.redact import Redaction
from nilometer.capture.settings import CaptureSettings
from nilometer.capture.sink import Plain
from nilometer.capture.values import Noted, valid_labels
from nilometer.reasons import DropReason

Packed: TypeAlias = tuple[Any, ...]  # in the order of nilometer.capture.observation.Observation

MAX_TEXTS = 1024  # decoded header values that are remembered
MAX_ID = 256  # characters of an id that came from outside

_encode_values = msgspec.msgpack.Encoder(enc_hook=str).encode


class Packer:
    """Makes the arrays of captured requests. Used by one thread."""

    def __init__(self, settings: CaptureSettings) -> None:
        self._event_time = _name(settings.event_time_header)
        ids = (settings.prediction_id_header, settings.return_prediction_id)
        self._ids = (*(_name(one) for one in ids if one), b"ce-id", b"x-request-id")
        returned = _name(settings.return_prediction_id)
        self._returned = (*((returned,) if returned else ()), b"ce-id", b"x-request-id")
        self._parent = _name(settings.parent_header)
        self._labels = {_name(header): label for label, header in settings.label_headers.items()}
        self._query = frozenset(settings.query_parameters)
        self._redaction = Redaction.of(settings.redact_fields, settings.redact_values)
        self._texts = _Texts()
        # Headers that fill a field which is otherwise left out.
        self._asking = (*self._ids, *self._labels, self._parent, b"traceparent")

    def pack_all(self, batch: Sequence[Plain]) -> tuple[list[Packed], int]:
        """All that can be packed, and how many cannot: one spoilt observation is one lost."""
        try:
            return self._by_columns(batch), 0
        except Exception:  # one of them is spoilt: find it
            arrays: list[Packed] = []
            spoilt = 0
            for captured in batch:
                try:
                    arrays += self._by_columns((captured,))
                except Exception:  # an application breaks ASGI's types in any way it likes
                    spoilt += 1
            return arrays, spoilt

    def _by_columns(self, batch: Sequence[Plain]) -> list[Packed]:
        """The arrays of *batch*: a column at a time, so that the loops are C's.

        Fields at the end that have their default are left out.
        """
        if not batch:
            return []
        columns = tuple(zip(*batch, strict=True))
        requests: list[dict[bytes, bytes]] = list(map(dict, columns[8]))
        responses: list[dict[bytes, bytes]] = list(map(dict, columns[9]))
        texts, kind, coding, none = self._texts, b"content-type", b"content-encoding", b""
        response_types = [texts[one.get(kind, none)] for one in responses]
        if "" in response_types:  # some applications write header names in capitals
            responses = [{name.lower(): value for name, value in one.items()} for one in responses]
            response_types = [texts[one.get(kind, none)] for one in responses]
        if self._event_time:
            event_times = [one.get(self._event_time, b"").decode("latin-1") for one in requests]
        else:
            event_times = [""] * len(batch)
        arrays: list[Packed] = list(
            zip(
                *columns[:8],
                [texts[one.get(kind, none)] for one in requests],
                [texts[one[coding]] if coding in one else "" for one in requests],
                response_types,
                [texts[one[coding]] if coding in one else "" for one in responses],
                columns[10],
                columns[11],
                event_times,
                columns[12],
                columns[13],
                [1 if first_byte else 0 for first_byte in columns[13]],
                strict=True,
            )
        )
        if (
            any(columns[14])
            or any(columns[15])
            or any(columns[16])
            or any([name in one for name in self._asking for one in requests])  # noqa: C419  no frame a name
            or any([name in one for name in self._returned for one in responses])  # noqa: C419
        ):
            arrays = [
                self._with_rest(*each)
                for each in zip(arrays, requests, responses, batch, strict=True)
            ]
        if self._redaction is not None:
            arrays = list(map(self._redaction.redacted, arrays))
        return arrays

    def _with_rest(
        self,
        array: Packed,
        request: Mapping[bytes, bytes],
        response: Mapping[bytes, bytes],
        captured: Plain,
    ) -> Packed:
        """*array* with the fields that most observations do not have."""
        streamed, noted, query = captured[14:17]
        trace_parent = request.get(b"traceparent", b"")
        chunks, gaps, end = streamed or (array[17], b"", "")
        return (
            *array[:17],
            chunks,
            gaps,
            end,
            self._id(request, response, trace_parent)[:MAX_ID].decode("latin-1"),
            trace_parent[:MAX_ID].decode("latin-1"),
            request.get(self._parent, b"")[:MAX_ID].decode("latin-1"),
            self._labels_of(request, noted),
            _encode_values(noted.values) if noted is not None and noted.values else b"",
            self._named(query) if query else "",
        )

    def _id(
        self, request: Mapping[bytes, bytes], response: Mapping[bytes, bytes], trace_parent: bytes
    ) -> bytes:
        """The request's id, else the one that the answer carries, else the trace's."""
        for headers, names in ((request, self._ids), (response, self._returned)):
            for name in names:
                if headers.get(name):
                    return headers[name]
        parts = trace_parent.split(b"-")
        return parts[1] if len(parts) >= 4 and len(parts[1]) == 32 else b""

    def _labels_of(self, request: Mapping[bytes, bytes], noted: Noted | None) -> dict[str, str]:
        labels: dict[str, str] = {}
        if self._labels:
            labels = valid_labels(
                {
                    label: request[header].decode("latin-1")
                    for header, label in self._labels.items()
                    if header in request
                }
            )
        if noted is not None:
            labels.update(noted.labels)
        return labels

    def _named(self, query: bytes) -> str:
        """The named parameters, as they came."""
        text = query.decode("latin-1")
        if "*" in self._query:
            return text
        return "&".join(pair for pair in text.split("&") if pair.partition("=")[0] in self._query)


class _Texts(dict[bytes, str]):
    """Header values as text, remembered: the same few come again and again."""

    def __missing__(self, value: bytes) -> str:
        text = value.decode("latin-1")
        if len(self) < MAX_TEXTS:
            self[value] = text
        return text


def with_spoilt(dropped: Mapping[DropReason, int], spoilt: int) -> dict[str, int]:
    """Lost observations by the name of their reason."""
    counts = {reason.value: count for reason, count in dropped.items()}
    if spoilt:
        reason = DropReason.INTERNAL_ERROR.value
        counts[reason] = counts.get(reason, 0) + spoilt
    return counts


def _name(header: str) -> bytes:
    return header.lower().encode("latin-1", "replace")
