"""All protocols; a new one is one file and one entry here.

Their decoders are imported with this module, before anything is decoded: a thread that imports
later would hold the interpreter while requests are served.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from nilometer.decode import (
    delimited,
    form,
    kserve_v1,
    mlflow,
    multipart,
    ndjson,
    oip_binary,
    oip_grpc,
    oip_v2,
    opaque,
    openai,
    seldon,
    sse,
    text,
)
from nilometer.decode.columns import Side
from nilometer.decode.facts import Facts
from nilometer.decode.protocol import DecodeObject, Format, JsonProtocol
from nilometer.profile.feature import Cell

AnyProtocol: TypeAlias = Format | JsonProtocol

# In the order in which they are asked: the first that decodes a body has it.
PROTOCOLS: tuple[AnyProtocol, ...] = (
    oip_v2.PROTOCOL,
    mlflow.TENSORS,
    kserve_v1.PROTOCOL,
    mlflow.DATA_FRAME,
    openai.PROTOCOL,
    seldon.PROTOCOL,
    sse.FORMAT,
    oip_binary.FORMAT,
    ndjson.FORMAT,
    text.FORMAT,
    form.FORMAT,
    multipart.FORMAT,
    delimited.FORMAT,
    oip_grpc.FORMAT,
    opaque.FORMAT,
)


@dataclass(frozen=True, slots=True)
class Claims:
    """What protocols in JSON claim on one side of an exchange.

    Attributes:
        keys: Every key that one of them claims. An object without any is free JSON.
        decoders: The keys of each, and its decoder.
    """

    keys: frozenset[str]
    decoders: tuple[tuple[frozenset[str], DecodeObject], ...]

    @classmethod
    def of(cls, decoders: Iterable[tuple[frozenset[str], DecodeObject | None]]) -> "Claims":
        """The claims of *decoders*, each with its keys."""
        claiming = tuple((keys, decode) for keys, decode in decoders if decode is not None)
        return cls(frozenset().union(*(keys for keys, _ in claiming)), claiming)

    def decode(self, value: Mapping[str, Cell], path: str, side: Side) -> Facts | None:
        """Add the columns of *value*; None, and nothing, where no protocol takes it.

        Raises:
            Undecodable: If the protocol that takes it finds it broken.
        """
        top = value.keys()
        for keys, decode in self.decoders:
            if not top.isdisjoint(keys):
                facts = decode(value, path, side)
                if facts is not None:
                    return facts
        return None


@dataclass(frozen=True, slots=True)
class Table:
    """Protocols by what is looked up for a body.

    Attributes:
        declared: Formats by content type, without parameters.
        recognised: Formats that are recognised by how a body begins.
        inputs: What is claimed in requests.
        outputs: What is claimed in responses.
    """

    declared: Mapping[str, Format]
    recognised: tuple[Format, ...]
    inputs: Claims
    outputs: Claims

    @classmethod
    def of(cls, protocols: Iterable[AnyProtocol]) -> "Table":
        """The table of *protocols*; of two that claim the same, the first is asked first."""
        formats: list[Format] = []
        in_json: list[JsonProtocol] = []
        for protocol in protocols:
            match protocol:
                case Format():
                    formats.append(protocol)
                case JsonProtocol():
                    in_json.append(protocol)
        declared: dict[str, Format] = {}
        for one in formats:
            for media_type in one.media_types:
                declared.setdefault(media_type, one)
        return cls(
            declared,
            tuple(one for one in formats if one.begins is not None),
            Claims.of((one.input_keys, one.decode_input) for one in in_json),
            Claims.of((one.output_keys, one.decode_output) for one in in_json),
        )


TABLE = Table.of(PROTOCOLS)
