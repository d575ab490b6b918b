"""The registered codecs by kind of content; `nilometer.kinds` adds the codecs of extensions."""

from typing import Any

from nilometer.profile.content import Content
from nilometer.v1 import summary_pb2 as pb
from nilometer.wire.contents.codec import Codec
from nilometer.wire.contents.extension import EXTENSION
from nilometer.wire.contents.feature import FEATURE_CODEC
from nilometer.wire.contents.logged import LOGGED_CODECS
from nilometer.wire.contents.performance import PERFORMANCE_CODECS
from nilometer.wire.contents.scores import SCORES_CODEC
from nilometer.wire.contents.service import SERVICE_CODEC

# A codec accepts only its own content type, which is the key.
CODECS: dict[str, Codec[Any]] = {
    codec.kind: codec
    for codec in (
        FEATURE_CODEC,
        SERVICE_CODEC,
        SCORES_CODEC,
        *LOGGED_CODECS,
        *PERFORMANCE_CODECS,
    )
}


def codec_of(content: Content) -> Codec[Any]:
    """Return the codec that writes *content*.

    Raises:
        ValueError: If no codec is registered for its kind.
    """
    codec = CODECS.get(content.kind)
    if codec is None:
        raise ValueError(f"there is no codec for contents of kind {content.kind!r}")
    return codec


def codec_for(message: pb.SummarySample) -> Codec[Any]:
    """Return the codec that reads the content of *message*.

    Raises:
        ValueError: If the message has no content, or its kind is not registered.
    """
    field = message.WhichOneof("content")
    if field is None:
        raise ValueError(
            f"sample of {message.summary!r} has no content of a type that is known here"
        )
    kind = message.extension.kind if field == EXTENSION else field
    codec = CODECS.get(kind)
    if codec is None or codec.field != field:
        raise ValueError(
            f"sample of {message.summary!r}: contents of kind {kind[:64]!r} are not known"
        )
    return codec
