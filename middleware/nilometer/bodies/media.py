"""Normalises and classifies content types."""

from functools import lru_cache


@lru_cache(maxsize=256)
def media_type(content_type: str) -> str:
    """Return *content_type* without parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


@lru_cache(maxsize=256)
def is_json(content_type: str) -> bool:
    """Return whether *content_type* is JSON, any ``+json``, or empty, as clients forget it."""
    media = media_type(content_type)
    return media in {"", "application/json"} or media.endswith("+json")
