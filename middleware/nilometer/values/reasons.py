"""Closed sets: how a request ended, why an observation was lost, why it gave no columns."""

from enum import Enum


class Outcome(Enum):
    """How a request ended, for the one who sent it."""

    OK = "ok"  # status below 400
    CLIENT_ERROR = "client_error"  # 400 to 499
    SERVER_ERROR = "server_error"  # 500 and above
    EXCEPTION = "exception"  # the application raised
    CLIENT_LEFT = "client_left"  # the client went before the answer was complete
    NO_RESPONSE = "no_response"  # the application returned without an answer
    UNKNOWN = "unknown"  # a logger told one half of it only: neither its time nor its end is known

    @property
    def failed(self) -> bool:
        """Whether the service is to blame."""
        match self:
            case Outcome.SERVER_ERROR | Outcome.EXCEPTION | Outcome.NO_RESPONSE:
                return True
            case Outcome.OK | Outcome.CLIENT_ERROR | Outcome.CLIENT_LEFT | Outcome.UNKNOWN:
                return False


class StreamEnd(Enum):
    """How an answer in pieces ended."""

    COMPLETED = "completed"
    CLIENT_LEFT = "client_left"  # the client went before it was complete
    ERROR = "error"  # the application raised in mid-stream, or the protocol said so
    STALLED = "stalled"  # pieces stopped coming for longer than the service's limit


class DropReason(Enum):
    """Why an observation was lost for good."""

    QUEUE_FULL = "queue_full"  # the worker's bounded queue had no room
    TOO_LARGE = "batch_too_large"  # over what the agent takes in one message
    MALFORMED_BATCH = "malformed_batch"  # the agent could not unpack what a worker sent
    REFUSED = "refused"  # the agent refused the batch: it is against the contract
    POISON = "poison"  # it ends the process that profiles it, alone and twice
    INTERNAL_ERROR = "internal_error"  # a fault of ours, logged


class UndecodableReason(Enum):
    """Why a side of an observation, or both, gave no columns; its service profile stands."""

    EMPTY = "empty"  # there is no body
    MALFORMED = "malformed"  # not what its content type says
    UNKNOWN_CONTENT_TYPE = "unknown_content_type"  # no decoder takes it
    TOO_LARGE = "too_large"  # over the capture cap
    ENCODED = "encoded"  # a content encoding that is not decoded
    WRONG_SHAPE = "wrong_shape"  # well-formed, but not columns: a list of unlike things
    FAILED_REQUEST = "failed_request"  # the model gave no prediction
    NOT_INFERENCE = "not_inference"  # a probe or metadata: no prediction was asked for
    DECODER_FAILED = "decoder_failed"  # a user's decoder raised, or returned no table
    PARTIAL = "partial"  # of one side: a stream over the cap; its middle is lost, its ends are read
