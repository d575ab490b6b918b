"""Reads recorded traffic: HAR files, and manifests with a file for each body.

A manifest is a JSON object with ``exchanges``, each with ``request`` and ``response``. Headers are
lists of name and value. Bodies are files in the manifest's folder or one folder up. A manifest with
``servers`` lists folders that contain a manifest each. Bodies outside these folders are refused,
because a manifest may come from an untrusted source.

Source: "HTTP Archive (HAR) format 1.2".
"""

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NotRequired, TypedDict
from urllib.parse import urlsplit

from nilometer.values.errors import ConfigError
from nilometer.values.reasons import Outcome

_CLIENT_LEFT = 499  # status that stands for gRPC's CANCELLED


# The fields of a HAR file that are read.


class _HarHeader(TypedDict):
    name: str
    value: str


class _HarContent(TypedDict, total=False):
    mimeType: str
    text: str
    encoding: str


class _HarMessage(TypedDict):
    headers: NotRequired[Sequence[_HarHeader]]


class _HarRequest(_HarMessage):
    method: str
    url: str
    postData: NotRequired[_HarContent | None]


class _HarResponse(_HarMessage):
    status: int
    content: NotRequired[_HarContent | None]


class _HarEntry(TypedDict):
    request: _HarRequest
    response: _HarResponse


# The fields of a manifest; an entry is HTTP unless its protocol says gRPC.


class _HttpMessage(TypedDict):
    headers: NotRequired[Sequence[tuple[str, str]]]
    body_file: NotRequired[str | None]


class _HttpRequest(_HttpMessage):
    method: str
    target: str


class _HttpResponse(_HttpMessage):
    status: int


class _HttpEntry(TypedDict):
    case: str
    request: _HttpRequest
    response: _HttpResponse | None


class _GrpcMessage(TypedDict):
    file: str


class _GrpcSide(TypedDict):
    messages: NotRequired[Sequence[_GrpcMessage]]


class _GrpcRequest(_GrpcSide):
    metadata: NotRequired[Sequence[tuple[str, str]]]


class _GrpcResponse(_GrpcSide):
    code: str
    initial_metadata: NotRequired[Sequence[tuple[str, str]]]


class _GrpcEntry(TypedDict):
    case: str
    method: str
    request: _GrpcRequest
    response: _GrpcResponse


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a response.

    Attributes:
        headers: Headers by name in lower case; the last value of a repeated one.
        body: Body as sent over the network; for gRPC, one message or several framed messages.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def content_type(self) -> str:
        """The declared content type, or empty."""
        return self.headers.get("content-type", "")

    @property
    def content_encoding(self) -> str:
        """The declared content encoding, or empty."""
        return self.headers.get("content-encoding", "")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request with its response.

    Attributes:
        case: Name of the exchange in the file.
        method: HTTP method; POST for gRPC.
        path: Path without the query, or gRPC's ``/package.Service/Method``.
        query: Query of the URL.
        status: HTTP status, or the status for a gRPC code; 0 without a response.
    """

    case: str
    method: str
    path: str
    query: str
    status: int
    request: Message
    response: Message

    @property
    def outcome(self) -> Outcome:
        """The outcome, from the client's point of view."""
        if self.status == _CLIENT_LEFT:
            return Outcome.CLIENT_LEFT
        if self.status == 0:
            return Outcome.NO_RESPONSE
        if self.status < 400:
            return Outcome.OK
        return Outcome.CLIENT_ERROR if self.status < 500 else Outcome.SERVER_ERROR


def read(path: Path) -> list[Exchange]:
    """Return the exchanges in the file at *path*.

    Raises:
        ConfigError: If the file has neither format, or names a body outside its folders.
    """
    document = _document(path)
    try:
        if isinstance(document.get("log"), dict):
            return [_of_har(at, entry) for at, entry in enumerate(document["log"]["entries"])]
        if "servers" in document:
            folders = [_inside(path.parent, server["dir"]) for server in document["servers"]]
            manifests = [folder / "manifest.json" for folder in folders]
            return [one for each in manifests if each.is_file() for one in read(each)]
        return [
            _of_grpc(path, entry) if entry.get("protocol") == "grpc" else _of_http(path, entry)
            for entry in document["exchanges"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"{path}: is neither a HAR file nor a manifest of exchanges ({error!r})"
        ) from error


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is not JSON") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: is neither a HAR file nor a manifest of exchanges")
    return document


def _of_har(at: int, entry: _HarEntry) -> Exchange:
    request, response = entry["request"], entry["response"]
    url = urlsplit(request["url"])
    asked: _HarContent = request.get("postData") or {}
    content: _HarContent = response.get("content") or {}
    return Exchange(
        case=f"{at}",
        method=request["method"],
        path=url.path,
        query=url.query,
        status=int(response["status"]),
        request=Message(_har_headers(request, asked), _har_body(asked)),
        response=Message(_har_headers(response, content), _har_body(content)),
    )


def _har_headers(message: _HarMessage, content: _HarContent) -> dict[str, str]:
    """Return the headers without the content encoding, because a HAR file holds decoded bodies."""
    headers = {one["name"].lower(): one["value"] for one in message.get("headers", ())}
    headers.pop("content-encoding", None)
    if content.get("mimeType"):
        headers.setdefault("content-type", content["mimeType"])
    return headers


def _har_body(content: _HarContent) -> bytes:
    text = content.get("text") or ""
    if content.get("encoding") == "base64":
        return b64decode(text, validate=True)
    return str(text).encode("utf-8", "surrogatepass")


def _of_http(manifest: Path, entry: _HttpEntry) -> Exchange:
    request, response = entry["request"], entry["response"]
    url = urlsplit(request["target"])
    return Exchange(
        case=entry["case"],
        method=request["method"],
        path=url.path,
        query=url.query,
        status=int(response["status"]) if response else 0,
        request=_http(manifest, request),
        response=_http(manifest, response) if response else Message(),
    )


def _http(manifest: Path, message: _HttpMessage) -> Message:
    headers = {name.lower(): value for name, value in message.get("headers", ())}
    return Message(headers, _file(manifest, message.get("body_file")))


def _of_grpc(manifest: Path, entry: _GrpcEntry) -> Exchange:
    from nilometer.capture.grpc.status import STATUSES

    request, response = entry["request"], entry["response"]
    codes = {code.name: status for code, status in STATUSES.items()}
    return Exchange(
        case=entry["case"],
        method="POST",
        path=entry["method"],
        query="",
        status=codes.get(response["code"], 500),
        request=_messages(manifest, request, request.get("metadata", ())),
        response=_messages(manifest, response, response.get("initial_metadata", ())),
    )


def _messages(manifest: Path, side: _GrpcSide, metadata: Sequence[tuple[str, str]]) -> Message:
    from nilometer.capture.grpc.messages import FRAMED, ONE

    headers = {name.lower(): str(value) for name, value in metadata}
    bodies = [_file(manifest, message["file"]) for message in side.get("messages", ())]
    kind = ONE if len(bodies) < 2 else FRAMED
    return Message({**headers, "content-type": kind.decode()}, _framed(bodies))


def _framed(bodies: Sequence[bytes]) -> bytes:
    if len(bodies) < 2:
        return b"".join(bodies)
    return b"".join(b"\x00" + len(body).to_bytes(4, "big") + body for body in bodies)


def _file(manifest: Path, name: str | None) -> bytes:
    if not name:
        return b""
    for folder in _places(manifest):
        path = _inside(folder, name)
        if path.is_file():
            return path.read_bytes()
    raise ConfigError(f"{manifest}: there is no file {name!r}")


def _places(manifest: Path) -> Iterator[Path]:
    """Return the folder of the manifest, and the folder above it."""
    yield manifest.parent
    yield manifest.resolve().parent.parent


def _inside(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ConfigError(f"{name!r} is outside {folder}")
    return path
