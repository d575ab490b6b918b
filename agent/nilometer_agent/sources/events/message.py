"""Parses HTTP requests with events: CloudEvents (binary, structured or batched) or LogRequests.

Sources: CloudEvents 1.0 HTTP protocol binding, section 3; KServe ``pkg/logger/marshaller.go`` for
LogRequest.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

import msgspec

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
VERSIONS = frozenset({"1.0", "0.3"})
MAX_EVENTS = 10_000  # in one request
_CE = "ce-"


class NotEvents(ValueError):
    """The body does not contain events; the text of this error is for the sender."""


@dataclass(frozen=True, slots=True)
class Event:
    """One CloudEvent.

    Attributes:
        attributes: Attributes as text, by name in lower case, without ``ce-``: ``id``, ``type``,
            ``source``, ``time`` and extensions.
        content_type: Content type of the data; may be empty.
        data: Body of the model server's request or response.
    """

    attributes: Mapping[str, str]
    content_type: str
    data: bytes

    @property
    def id(self) -> str:
        """Id of the event, unique within its source."""
        return self.attributes.get("id", "")

    @property
    def type(self) -> str:
        """Type of the event."""
        return self.attributes.get("type", "")


def events_in(headers: Mapping[str, str], body: bytes) -> list[Event | None]:
    """Return the events of one HTTP request; None in place of an event that cannot be read.

    Args:
        headers: Headers by name in lower case.
        body: Body without its content encoding.

    Raises:
        NotEvents: If the request has none of the three CloudEvents modes, or too many events.
    """
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media == BATCH:
        return [_structured(one) for one in _array(body)]
    if media == STRUCTURED:
        return [_structured(_json(body))]
    if headers.get("ce-specversion", "") not in VERSIONS:
        raise NotEvents(f"not a CloudEvent 1.0: send ce-specversion, {STRUCTURED}, or {BATCH}")
    attributes = {
        name.removeprefix(_CE): unquote(value)
        for name, value in headers.items()
        if name.startswith(_CE)
    }
    if "traceparent" in headers:
        attributes.setdefault("traceparent", headers["traceparent"])
    return [Event(attributes, headers.get("content-type", ""), body)]


def log_requests_in(body: bytes) -> list[Event | None]:
    """Return the events of a batch that KServe's logger sends to a marshaller.

    Raises:
        NotEvents: If the body is not an array of LogRequests, or has too many.
    """
    return [_log_request(one) for one in _array(body)]


def _json(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise NotEvents(f"not JSON: {error}") from error


def _array(body: bytes) -> list[object]:
    value = _json(body)
    if not isinstance(value, list):
        raise NotEvents("a batch must be a JSON array")
    if len(value) > MAX_EVENTS:
        raise NotEvents(f"at most {MAX_EVENTS} events at once")
    return value


def _structured(value: object) -> Event | None:
    if not isinstance(value, dict) or value.get("specversion") not in VERSIONS:
        return None
    attributes = {
        name.lower(): one if isinstance(one, str) else _text(one)
        for name, one in value.items()
        if name not in {"data", "data_base64"} and one is not None
    }
    content_type = attributes.get("datacontenttype", "")
    if "data_base64" in value:
        data = _from_base64(value["data_base64"])
        return None if data is None else Event(attributes, content_type, data)
    data = value.get("data")
    if data is None:
        return Event(attributes, content_type, b"")
    if isinstance(data, str) and "json" not in content_type and content_type:
        return Event(attributes, content_type, data.encode())
    return Event(attributes, content_type or "application/json", msgspec.json.encode(data))


def _log_request(value: object) -> Event | None:
    if not isinstance(value, dict):
        return None
    data = _from_base64(value.get("bytes") or "")
    if data is None:
        return None
    attributes = {
        name: value[key]
        for key, name in _LOG_REQUEST.items()
        if isinstance(value.get(key), str) and value[key]
    }
    content_type = value.get("contentType")
    return Event(attributes, content_type if isinstance(content_type, str) else "", data)


_LOG_REQUEST = {
    "id": "id",
    "reqType": "type",
    "inferenceService": "inferenceservicename",
    "namespace": "namespace",
    "component": "component",
    "endpoint": "endpoint",
    "occurrenceTime": "time",
}


def _from_base64(text: object) -> bytes | None:
    if not isinstance(text, str):
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
