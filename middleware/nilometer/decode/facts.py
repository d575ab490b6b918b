"""What a body says beside its columns."""

from enum import Enum

import msgspec

from nilometer.profile.feature import Cell
from nilometer.values.reasons import StreamEnd

MAX_ID = 256  # characters of a prediction id that are kept


class Protocol(Enum):
    """How a body was read."""

    JSON = "json"  # free: an object, a list, a bare value
    KSERVE_V1 = "kserve_v1"
    OIP_V2 = "oip_v2"
    OIP_V2_BINARY = "oip_v2_binary"
    OIP_V2_GRPC = "oip_v2_grpc"
    MLFLOW = "mlflow"
    SELDON = "seldon"
    OPENAI = "openai"
    FORM = "form"
    QUERY = "query"
    MULTIPART = "multipart"
    CSV = "csv"
    NDJSON = "ndjson"
    SSE = "sse"
    TEXT = "text"
    CUSTOM = "custom"  # a decoder of the user's own


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What a decoder learned beside the columns.

    Attributes:
        protocol: How the body was read.
        value: The parsed JSON document; None where the body is none.
        prediction_id: What the protocol names the prediction, at most `MAX_ID` characters; or
            empty.
        model: Name of the model as the body gives it, or empty.
        model_version: As the body gives it, or empty.
        input_tokens: Tokens of the prompt; None where the body does not tell.
        output_tokens: Tokens of the answer; None where the body does not tell.
        stream_end: COMPLETED or ERROR where the stream itself said so; None where it did not.
        partial: Whether columns or rows are missing, because only both ends of a stream are known.
    """

    protocol: Protocol
    value: Cell = None
    prediction_id: str = ""
    model: str = ""
    model_version: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    stream_end: StreamEnd | None = None
    partial: bool = False


def id_of(value: Cell) -> str:
    """*value* as an id: text or an integer, cut to `MAX_ID`; anything else is none."""
    if isinstance(value, str):
        return value[:MAX_ID]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 128:
        return str(value)
    return ""


def text_of(value: Cell) -> str:
    """*value* where it is text, cut to `MAX_ID`; else empty."""
    return value[:MAX_ID] if isinstance(value, str) else ""


def count_of(value: Cell) -> int | None:
    """*value* where it is a count: an integer from 0 on, below 2**63; else None."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63:
        return value
    return None
