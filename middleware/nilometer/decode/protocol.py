"""Declarations of protocols: how a body is recognised, and how each side is decoded.

A JSON protocol is recognised by the top-level keys of an object (`JsonProtocol`). Any other
protocol is recognised by its content type or its first bytes (`Format`). Each module declares its
own protocol; `nilometer.decode.registry` lists them in order of precedence.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from nilometer.bodies.carriers import Carrier
from nilometer.decode.columns import Side
from nilometer.decode.facts import Facts
from nilometer.decode.known import IsName
from nilometer.profile.feature import Cell
from nilometer.values.entity import Role

# A function that adds the columns of an object to a side. The string is the path of the request; it
# may be empty. If the object has another protocol after all, it adds nothing and returns None.
DecodeObject: TypeAlias = Callable[[Mapping[str, Cell], str, Side], Facts | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonProtocol:
    """A protocol whose messages are JSON objects.

    Attributes:
        input_keys: Top-level keys of a request. `decode_input` is called for an object with at
            least one of them.
        output_keys: Top-level keys of a response, used for `decode_output` in the same way.
        decode_input: Function that decodes a request; None if the protocol does not define one.
        decode_output: Function that decodes a response; None if the protocol does not define one.
    """

    input_keys: frozenset[str] = frozenset()
    output_keys: frozenset[str] = frozenset()
    decode_input: DecodeObject | None = None
    decode_output: DecodeObject | None = None


class Body(msgspec.Struct, frozen=True, gc=False):
    """A body with its metadata.

    Attributes:
        content: Bytes without their content encoding; never empty.
        content_type: Declared content type, with parameters.
        role: INPUT or OUTPUT.
        path: Path of the request; may be empty.
        header_length: Value of ``Inference-Header-Content-Length``; may be empty.
        is_name: Function that returns whether a text is the known name of a column.
    """

    content: bytes
    content_type: str
    role: Role
    path: str
    header_length: str
    is_name: IsName


DecodeBody: TypeAlias = Callable[[Body, Side], Facts | None]
DecodeEnds: TypeAlias = Callable[[Body, bytes, Side], Facts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format(Carrier):
    """A protocol whose messages are not a single JSON document.

    Attributes:
        decode: Function that adds the columns of a body to a side. If the body has another format
            after all, it adds nothing and returns None.
        decode_ends: Function that adds the columns of a stream without its middle. It takes a body
            with the start, and the bytes of the end. None if the format has no such streams.
    """

    decode: DecodeBody
    decode_ends: DecodeEnds | None = None

    @classmethod
    def of(
        cls, carrier: Carrier, *, decode: DecodeBody, decode_ends: DecodeEnds | None = None
    ) -> "Format":
        """Return the format for bodies with this *carrier*."""
        return cls(
            media_types=carrier.media_types,
            often_json=carrier.often_json,
            families=carrier.families,
            begun_by=carrier.begun_by,
            begins=carrier.begins,
            decode=decode,
            decode_ends=decode_ends,
        )
