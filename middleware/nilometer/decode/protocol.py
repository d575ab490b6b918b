"""What a protocol declares: how a body is recognised as its own, and how each side is decoded.

A protocol in JSON is recognised by keys at the top of an object (`JsonProtocol`), any other by its
content type or its first bytes (`Format`). Each file declares its own; `nilometer.decode.registry`
has them all, in the order in which they are asked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from nilometer.decode.columns import Side
from nilometer.decode.facts import Facts
from nilometer.profile.feature import Cell
from nilometer.values.entity import Role

# Adds the columns of an object to a side; the text is the path of the request, empty where it is
# unknown. Returns None, and adds nothing, where the object is of another protocol after all.
DecodeObject: TypeAlias = Callable[[Mapping[str, Cell], str, Side], Facts | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonProtocol:
    """A protocol whose messages are JSON objects.

    Attributes:
        input_keys: Keys at the top of a request. An object with at least one of them is offered to
            `decode_input`.
        output_keys: The same for a response and `decode_output`.
        decode_input: Decodes a request; None where the protocol says nothing about requests.
        decode_output: Decodes a response; None likewise.
    """

    input_keys: frozenset[str] = frozenset()
    output_keys: frozenset[str] = frozenset()
    decode_input: DecodeObject | None = None
    decode_output: DecodeObject | None = None


class Body(msgspec.Struct, frozen=True, gc=False):
    """A body that is no plain JSON, and what is known of it.

    Attributes:
        content: Its bytes, without their content encoding; never empty.
        content_type: As declared, with parameters.
        role: INPUT or OUTPUT.
        path: Of the request, or empty.
        header_length: ``Inference-Header-Content-Length``, or empty.
    """

    content: bytes
    content_type: str
    role: Role
    path: str
    header_length: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A protocol whose messages are more, or other, than one JSON document.

    Attributes:
        decode: Adds the columns of a body to a side. Returns None, and adds nothing, where the body
            is of another format after all.
        media_types: Content types that declare it, without parameters, in lower case.
        often_json: Whether clients also send JSON under these content types. A body that begins
            like JSON is read as JSON then, and offered to `decode` only if it is malformed.
        begins: Whether bytes begin like this format. Asked where a body should be JSON, by its
            content type or by its first byte, and is malformed.
        decode_ends: Adds the columns of a stream of which only the start, in the body, and the end
            are known; None where nothing can be made of those.
    """

    decode: Callable[[Body, Side], Facts | None]
    media_types: frozenset[str] = frozenset()
    often_json: bool = False
    begins: Callable[[bytes], bool] | None = None
    decode_ends: Callable[[Body, bytes, Side], Facts] | None = None
