"""Distinguishes predictions from all other requests.

A prediction is a request with a body that a decoder accepts, or a request that a rule includes.
Preflights, start pages, probes and documentation are not predictions. If they were profiled, the
model's outputs would seem to be missing.
"""

from functools import lru_cache

from nilometer.decode import Side
from nilometer.decode.known import NOTHING_KNOWN
from nilometer.decode.management import may_manage, told_by_query
from nilometer.decode.probes import BODYLESS, is_inference, is_probe
from nilometer.profiling.observation import CALL, Observation
from nilometer.profiling.sides import NOT_INFERENCE, PREDICTED, Decoded, decode_request
from nilometer.values.reasons import Outcome, UndecodableReason
from nilometer.values.request_rules import RequestRules
from nilometer.values.value_like import looks_like_value

MAX_ROUTES = 1024  # most routes of one entity whose predictions are remembered

LOGGED = "POST"  # method of requests that a logger reports without a path
_NEVER = frozenset({"OPTIONS", "HEAD", "TRACE", "CONNECT"})  # never predictions

VARIABLE = "{}"  # replaces each part of a path that looks like a value
# Content types that a decoder may accept, but whose bodies cannot be examined.
_CLOSED = frozenset(
    reason.value
    for reason in (
        UndecodableReason.TOO_LARGE,
        UndecodableReason.ENCODED,
        UndecodableReason.WITHHELD,
        UndecodableReason.WRONG_SHAPE,
        UndecodableReason.DECODER_FAILED,
    )
)


class Predictions:
    """The routes of one entity that have had predictions. Not thread-safe."""

    __slots__ = ("_routes",)

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str], None] = {}  # methods and routes, oldest first

    def learn(self, method: str, path: str) -> None:
        """Remember that a request was a prediction."""
        key = method, route_of(path)
        if key in self._routes:
            return
        if len(self._routes) >= MAX_ROUTES:
            del self._routes[next(iter(self._routes))]
        self._routes[key] = None

    def is_one(
        self, observation: Observation, decoded: Decoded | None, rules: RequestRules, rows: int
    ) -> bool:
        """Return whether a request is a prediction.

        Args:
            observation: Request and response.
            decoded: Result of decoding its bodies; None if they were not decoded.
            rules: Rules that include requests.
            rows: Number of rows in its response.
        """
        method, path = observation.method, observation.path
        if _is_told(observation):
            return True
        is_included = rules and rules.match(method, path, observation.request_type)
        if not is_included and (method in _NEVER or is_probe(method, path)):
            return False
        is_wanted = is_included or bool(observation.values)
        if not is_wanted and self._manages(observation, decoded):
            return False
        predicted = decoded is not None and observation.outcome in PREDICTED
        if is_wanted or (predicted and _is_taken(observation, decoded, rows)):
            self.learn(method, path)
            return True
        if (method, route_of(path)) in self._routes:
            return True  # a body that can no longer be decoded must not hide
        if is_inference(method, path) and (_has_body(observation) or observation.query):
            return True  # a server that does not know the model may not read the body
        if not (observation.request_size or observation.request_body or observation.query):
            return False
        if predicted and decoded is not None and not observation.values_only:
            return decoded.lost_input in _CLOSED
        if observation.left_out or observation.values_only or decoded is None:
            return True  # the body is not available here
        return _would_be_taken(observation)

    def _manages(self, observation: Observation, decoded: Decoded | None) -> bool:
        """Return whether a request manages a known server.

        If neither its body nor its query is known, the route tells: without predictions on it, the request does.
        """
        method, path = observation.method, observation.path
        if not may_manage(method, path):
            return False
        if observation.request_body or (observation.query and told_by_query(method, path)):
            if decoded is not None and observation.outcome in PREDICTED:
                return decoded.lost_input == NOT_INFERENCE
            # Sampling left it out, or it failed.
            lost, _ = decode_request(observation, Side(), NOTHING_KNOWN)
            return lost == NOT_INFERENCE
        return (method, route_of(path)) not in self._routes


def _is_told(observation: Observation) -> bool:
    """Return whether the sender only reports predictions: a function call, or a logger."""
    return (
        observation.method == CALL
        or observation.outcome == Outcome.UNKNOWN.value  # half of an exchange
        or (not observation.path and observation.method == LOGGED)
    )


def _is_taken(observation: Observation, decoded: Decoded | None, rows: int) -> bool:
    """Return whether a decoder accepted the body of an answered request.

    A body of unknown bytes counts, too, if its answer has rows, as those of an image do. So does one
    that the application did not read: only its content type is known.
    """
    if decoded is None:
        return False
    return decoded.is_taken or bool(rows and _has_body(observation))


def _has_body(observation: Observation) -> bool:
    """Return whether a request had a body; of one that was not read, the content type tells it."""
    if observation.request_size or observation.request_body:
        return True
    return bool(observation.request_type) and observation.method not in BODYLESS


def _would_be_taken(observation: Observation) -> bool:
    """Return whether a decoder would have accepted the body of a failed request."""
    lost, facts = decode_request(observation, Side(), NOTHING_KNOWN)
    return facts is not None or lost in _CLOSED


@lru_cache(maxsize=4096)
def route_of(path: str) -> str:
    """Return *path* with `VARIABLE` instead of each part that looks like a value."""
    parts = path.split("/")
    return "/".join(VARIABLE if part and looks_like_value(part) else part for part in parts)
