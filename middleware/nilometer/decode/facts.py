"""Facts that a body contains beside its columns."""

from enum import Enum

import msgspec

from nilometer.profile.feature import Cell
from nilometer.values.reasons import StreamEnd

MAX_ID = 256  # characters of a prediction id that are kept


class Protocol(Enum):
    """The protocol that a body was decoded with."""

    JSON = "json"  # free JSON: an object, a list, or a bare value
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
    LIBSVM = "libsvm"
    NDJSON = "ndjson"
    SSE = "sse"
    TEXT = "text"
    NPY = "npy"
    ARROW = "arrow"
    PARQUET = "parquet"
    BINARY = "binary"
    CUSTOM = "custom"  # a user-defined decoder


class Facts(msgspec.Struct, frozen=True, gc=False):
    """Facts that a decoder found in a body beside the columns.

    Attributes:
        protocol: Protocol that the body was decoded with.
        value: Parsed JSON document; None if the body is not JSON.
        prediction_id: Prediction id in the body, at most `MAX_ID` characters; or empty.
        model: Name of the model in the body, or empty.
        model_version: Version of the model in the body, or empty.
        input_tokens: Number of tokens of the prompt; None if unknown.
        output_tokens: Number of tokens of the response; None if unknown.
        stream_end: COMPLETED or ERROR as the stream itself reports; None if it reports nothing.
        partial: Whether columns or rows are missing: only both ends of a stream are known, or lines
            were not JSON.
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
    """Return text or an integer as an id, cut to `MAX_ID`; empty for anything else."""
    if isinstance(value, str):
        return value[:MAX_ID]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 128:
        return str(value)
    return ""


def text_of(value: Cell) -> str:
    """Return *value*, cut to `MAX_ID`, if it is text; else empty."""
    return value[:MAX_ID] if isinstance(value, str) else ""


def count_of(value: Cell) -> int | None:
    """Return *value* if it is an integer in [0, 2**63); else None."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63:
        return value
    return None
