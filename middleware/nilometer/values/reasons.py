"""Closed sets: outcomes of requests, reasons for lost observations and for missing columns."""

from enum import Enum


class Outcome(Enum):
    """The outcome of a request, from its caller's point of view."""

    OK = "ok"  # status below 400
    CLIENT_ERROR = "client_error"  # 400 to 499
    SERVER_ERROR = "server_error"  # 500 and above
    EXCEPTION = "exception"  # the application raised
    CLIENT_LEFT = "client_left"  # the client disconnected before the response was complete
    NO_RESPONSE = "no_response"  # the application returned without a response
    UNKNOWN = "unknown"  # a logger reported one half only, so duration and outcome are unknown

    @property
    def failed(self) -> bool:
        """Whether the service caused the failure."""
        match self:
            case Outcome.SERVER_ERROR | Outcome.EXCEPTION | Outcome.NO_RESPONSE:
                return True
            case Outcome.OK | Outcome.CLIENT_ERROR | Outcome.CLIENT_LEFT | Outcome.UNKNOWN:
                return False


class StreamEnd(Enum):
    """The end of a response in several chunks."""

    COMPLETED = "completed"
    CLIENT_LEFT = "client_left"  # the client disconnected before the response was complete
    ERROR = "error"  # the application raised during the stream, or the protocol reported an error
    CUT = "cut"  # the stream ended normally, but without its protocol's end marker
    STALLED = "stalled"  # no chunk was sent for longer than the limit of the service


class ConnectionEnd(Enum):
    """The end of a WebSocket connection."""

    CLOSED = "closed"  # closed normally, by the client or by the application
    CLOSE_CODE = "close_code"  # closed with another code
    CLIENT_LEFT = "client_left"  # the client left without giving a reason
    REFUSED = "refused"  # the application did not accept the connection
    SERVER_ERROR = "server_error"  # the application raised, or closed with code 1011


class DropReason(Enum):
    """The reason why an observation was lost."""

    QUEUE_FULL = "queue_full"  # the worker's bounded queue had no room
    TOO_LARGE = "batch_too_large"  # larger than the agent accepts in one message
    MALFORMED_BATCH = "malformed_batch"  # the agent could not unpack a worker's batch
    REFUSED = "refused"  # the agent refused the batch because it breaks the contract
    POISON = "poison"  # it crashed two processes that profiled it alone
    NEVER_RAN = "never_ran"  # the handler of a gRPC call never ran
    INTERNAL_ERROR = "internal_error"  # an error in nilometer, logged


# What a reader counts as the reason of losses that only a newer version knows; no agent sends it.
OF_NEWER = "of_newer_version"


class LostCellReason(Enum):
    """Why the cells of a summary are lost, although their observations are counted."""

    TOO_LARGE = "too_large"  # the summary's profile is larger than one message may be
    OTHER_KIND = "other_kind"  # most of the summary's profiles have another kind of content
    INTERNAL_ERROR = "internal_error"  # an error in nilometer or in an extension, logged


class UndecodableReason(Enum):
    """The reason why one or both sides have no columns; the request still counts."""

    EMPTY = "empty"  # there is no body
    MALFORMED = "malformed"  # the body does not match its content type
    UNKNOWN_CONTENT_TYPE = "unknown_content_type"  # no decoder accepts the body
    TOO_LARGE = "too_large"  # the body is over the capture limit
    ENCODED = "encoded"  # the content encoding is not supported
    WRONG_SHAPE = "wrong_shape"  # the body is well-formed, but not a table: a list of mixed types
    FAILED_REQUEST = "failed_request"  # the model made no prediction
    NOT_INFERENCE = "not_inference"  # a probe or metadata, without a request for a prediction
    DECODER_FAILED = "decoder_failed"  # a decoder raised, or a user's decoder returned no table
    WEBSOCKET = "websocket"  # the messages of a WebSocket connection are only counted
    WITHHELD = "withheld"  # redaction could not be sure to find every named field
    PARTIAL = "partial"  # a stream over the cap, of which only the ends are read


# Reasons of observations that are not predictions; only the summary `service` counts them.
NO_PREDICTIONS = frozenset(
    reason.value for reason in (UndecodableReason.NOT_INFERENCE, UndecodableReason.WEBSOCKET)
)
