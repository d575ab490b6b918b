"""Content types, and what they say that a body is."""

from enum import Enum, auto
from functools import lru_cache


class Kind(Enum):
    """What a content type says that a body is."""

    JSON = auto()  # or nothing said
    FORM = auto()
    MULTIPART = auto()
    NDJSON = auto()
    EVENTS = auto()
    CSV = auto()
    TEXT = auto()
    GRPC = auto()
    BYTES = auto()
    UNKNOWN = auto()


KINDS = {
    "": Kind.JSON,
    "application/json": Kind.JSON,
    "application/x-www-form-urlencoded": Kind.FORM,
    "multipart/form-data": Kind.MULTIPART,
    "application/x-ndjson": Kind.NDJSON,
    "application/ndjson": Kind.NDJSON,
    "application/jsonl": Kind.NDJSON,
    "application/x-jsonlines": Kind.NDJSON,
    "application/jsonlines": Kind.NDJSON,
    "application/json-seq": Kind.NDJSON,
    "text/event-stream": Kind.EVENTS,
    "text/csv": Kind.CSV,
    "application/csv": Kind.CSV,
    "text/plain": Kind.TEXT,
    "application/grpc": Kind.GRPC,
    "application/grpc+proto": Kind.GRPC,
    "application/grpc+frames": Kind.GRPC,
    "application/octet-stream": Kind.BYTES,
}


@lru_cache(maxsize=256)
def media_type(content_type: str) -> str:
    """Without parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


@lru_cache(maxsize=256)
def kind_of(content_type: str) -> Kind:
    """What *content_type* says; any ``+json`` is JSON."""
    media = media_type(content_type)
    return Kind.JSON if media.endswith("+json") else KINDS.get(media, Kind.UNKNOWN)
