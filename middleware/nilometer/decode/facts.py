"""Facts that a body contains besides its columns."""

from enum import Enum

import msgspec

from nilometer.profile.feature import Cell
from nilometer.values.reasons import StreamEnd

MAX_ID = 256  # characters of a prediction id that are kept


class Protocol(Enum):
    """The protocol that a body was decoded with."""

    JSON = "json"  # free JSON: an object, a list, or a single plain value
    KSERVE_V1 = "kserve_v1"
    OIP_V2 = "oip_v2"
    OIP_V2_BINARY = "oip_v2_binary"
    OIP_V2_GRPC = "oip_v2_grpc"
    MLFLOW = "mlflow"
    SELDON = "seldon"
    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    OLLAMA = "ollama"
    TGI = "tgi"  # Text Generation Inference of Hugging Face
    GEMINI = "gemini"
    COHERE = "cohere"
    TRITON = "triton"  # generate extension of V2
    LLAMA_CPP = "llama_cpp"
    FRAGMENTS = "fragments"  # home-made streams of text
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


class Frames(msgspec.Struct, frozen=True, gc=False):
    """The frames of a stream that have generated text.

    A place is the position of the end of a frame, in bytes from the start of the body. Values of at
    most 0 count from the end of the body. None means that there is no such frame.

    Attributes:
        first: Place of the first frame with content: text, or a part of a tool call.
        last: Place of the last frame with content.
        first_reasoning: Place of the first frame with reasoning.
        last_reasoning: Place of the last frame with reasoning.
        tokens: Tokens of these frames, for each choice; 0 if unknown.
    """

    first: int | None = None
    last: int | None = None
    first_reasoning: int | None = None
    last_reasoning: int | None = None
    tokens: float = 0.0


class Facts(msgspec.Struct, frozen=True, gc=False):
    """Facts that a decoder found in a body besides the columns.

    Attributes:
        protocol: Protocol that the body was decoded with.
        value: Parsed JSON document; None if the body is not JSON.
        prediction_id: Prediction id in the body, at most `MAX_ID` characters; may be empty.
        model: Name of the model in the body, or empty.
        model_version: Version of the model in the body, or empty.
        input_tokens: Number of tokens of the prompt; None if unknown.
        output_tokens: Number of tokens of the response; None if unknown.
        stream_end: COMPLETED, ERROR or CUT, as the stream itself shows; None if it shows none.
        partial: Whether columns or rows are missing, because only the ends of a stream are known,
            or because lines were not JSON.
        error: Type of the error that a stream reports, as in `error.type`; may be empty.
        frames: Frames with generated text; None if the body is not a stream.
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
    error: str = ""
    frames: Frames | None = None


def id_of(value: Cell) -> str:
    """Return a text or an integer as an id, cut to `MAX_ID` characters; otherwise empty."""
    if isinstance(value, str):
        return value[:MAX_ID]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 128:
        return str(value)
    return ""


def text_of(value: Cell) -> str:
    """Return *value*, cut to `MAX_ID` characters, if it is text; otherwise empty."""
    return value[:MAX_ID] if isinstance(value, str) else ""


def count_of(value: Cell) -> int | None:
    """Return *value* if it is an integer in [0, 2**63); otherwise None."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63:
        return value
    return None
