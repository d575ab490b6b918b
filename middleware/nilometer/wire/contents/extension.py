"""Converts extensions' content types to protobuf: a kind, and bytes in the type's own form."""

import re
from collections.abc import Callable

from nilometer.profile.content import Content
from nilometer.v1 import summary_pb2 as pb
from nilometer.values.errors import ConfigError
from nilometer.wire.contents.codec import C, Codec, EdgesOf

EXTENSION = "extension"
MAX_CONTENT_BYTES = 1 << 16
KIND = re.compile(r"[a-z][a-z0-9_]{0,63}")


def extension_codec(
    content: type[C], to_bytes: Callable[[C], bytes], from_bytes: Callable[[bytes], C]
) -> Codec[C]:
    """Return the codec of a *content* type of an extension.

    Args:
        content: Class of the contents.
        to_bytes: Function that encodes a content, at most `MAX_CONTENT_BYTES`; equal contents give
            equal bytes.
        from_bytes: Function that decodes the result of `to_bytes`; raises ValueError for other
            bytes.

    Raises:
        ConfigError: If the kind's name is not allowed.
    """
    kind = content.kind
    if not KIND.fullmatch(kind):
        raise ConfigError(f"kind = {kind!r}: must match {KIND.pattern}")

    def put(message: pb.SummarySample, value: C) -> None:
        packed = to_bytes(value)
        _check_size(content, packed)
        message.extension.kind = kind
        message.extension.content = packed

    def read(message: pb.SummarySample, edges_of: EdgesOf) -> C:
        del edges_of
        _check_size(content, message.extension.content)
        return from_bytes(message.extension.content)

    return Codec(kind=kind, field=EXTENSION, put=put, read=read)


def _check_size(content: type[Content], packed: bytes) -> None:
    if len(packed) > MAX_CONTENT_BYTES:
        raise ValueError(f"{content.kind}: {len(packed)} bytes are over {MAX_CONTENT_BYTES}")
