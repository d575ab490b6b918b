"""Content types, without what clients and servers write around them."""

from functools import lru_cache


@lru_cache(maxsize=256)
def media_type(content_type: str) -> str:
    """Without parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


@lru_cache(maxsize=256)
def is_json(content_type: str) -> bool:
    """Whether *content_type* says JSON, or nothing: clients forget it. Any ``+json`` is JSON."""
    media = media_type(content_type)
    return media in {"", "application/json"} or media.endswith("+json")
