"""The list of all protocols. A new protocol needs one module and one entry here.

This module imports all decoders when it is imported. A later import in a thread would hold the
interpreter while requests are served.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from nilometer.bodies.carriers import Carriers
from nilometer.decode import (
    anthropic,
    arrow,
    binary,
    cohere,
    delimited,
    form,
    gemini,
    kserve_v1,
    libsvm,
    llama_cpp,
    mlflow,
    multipart,
    ndjson,
    npy,
    oip_binary,
    oip_grpc,
    oip_v2,
    ollama,
    opaque,
    openai,
    parquet,
    seldon,
    sse,
    text,
    tgi,
    triton,
)
from nilometer.decode.columns import Side
from nilometer.decode.facts import Facts
from nilometer.decode.protocol import DecodeObject, Format, JsonProtocol
from nilometer.profile.feature import Cell

AnyProtocol: TypeAlias = Format | JsonProtocol

# In order of precedence: the first protocol that can decode a body is used.
PROTOCOLS: tuple[AnyProtocol, ...] = (
    tgi.PROTOCOL,
    oip_v2.PROTOCOL,
    mlflow.TENSORS,
    kserve_v1.PROTOCOL,
    mlflow.DATA_FRAME,
    openai.PROTOCOL,
    anthropic.PROTOCOL,
    ollama.PROTOCOL,
    gemini.PROTOCOL,
    cohere.PROTOCOL,
    triton.PROTOCOL,
    llama_cpp.PROTOCOL,
    seldon.PROTOCOL,
    sse.FORMAT,
    oip_binary.FORMAT,
    ndjson.FORMAT,
    text.STREAM,
    text.FORMAT,
    form.FORMAT,
    multipart.FORMAT,
    delimited.FORMAT,
    libsvm.FORMAT,
    oip_grpc.FORMAT,
    npy.FORMAT,
    arrow.FORMAT,
    parquet.FORMAT,
    binary.FORMAT,
    opaque.FORMAT,
)


@dataclass(frozen=True, slots=True)
class Claims:
    """The keys by which JSON protocols recognise their requests, or their responses.

    Attributes:
        keys: Keys of all protocols. An object without any of them is free JSON.
        decoders: Keys and decoder of each protocol.
    """

    keys: frozenset[str]
    decoders: tuple[tuple[frozenset[str], DecodeObject], ...]

    @classmethod
    def of(cls, decoders: Iterable[tuple[frozenset[str], DecodeObject | None]]) -> "Claims":
        """Return the claims of *decoders*, each given with its keys."""
        claiming = tuple((keys, decode) for keys, decode in decoders if decode is not None)
        return cls(frozenset().union(*(keys for keys, _ in claiming)), claiming)

    def decode(self, value: Mapping[str, Cell], path: str, side: Side) -> Facts | None:
        """Add the columns of *value*; if no protocol accepts it, add nothing and return None.

        Raises:
            Undecodable: If *value* violates the protocol that accepts it.
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
    """All protocols, indexed for the lookup of a decoder.

    Attributes:
        formats: Formats by content type and by first bytes.
        inputs: Claims of JSON protocols for requests.
        outputs: Claims of JSON protocols for responses.
    """

    formats: Carriers[Format]
    inputs: Claims
    outputs: Claims

    @classmethod
    def of(cls, protocols: Iterable[AnyProtocol]) -> "Table":
        """Return an index of *protocols*; earlier protocols take precedence."""
        formats: list[Format] = []
        in_json: list[JsonProtocol] = []
        for protocol in protocols:
            match protocol:
                case Format():
                    formats.append(protocol)
                case JsonProtocol():
                    in_json.append(protocol)
        return cls(
            Carriers.of(formats),
            Claims.of((one.input_keys, one.decode_input) for one in in_json),
            Claims.of((one.output_keys, one.decode_output) for one in in_json),
        )


TABLE = Table.of(PROTOCOLS)
