"""Check of coverage: how many observations are profiled, and a remedy for each reason of loss."""

from collections.abc import Iterator, Mapping

from nilometer.profiling.admission import MAX_FEATURES
from nilometer.values.reasons import DropReason, UndecodableReason
from nilometer_agent.doctor.examined import ExaminedAgent
from nilometer_agent.doctor.finding import Finding, Level

# The remedy for each reason; a test checks that none is missing.
DROPPED: Mapping[DropReason, str] = {
    DropReason.QUEUE_FULL: "the agent was unreachable or too slow: start it together with the "
    "server, give it more CPU, or raise max_queue_bytes of the middleware",
    DropReason.TOO_LARGE: "lower max_body_bytes of the middleware, or log fewer values per request",
    DropReason.MALFORMED_BATCH: "install the same version of nilometer for server and agent",
    DropReason.REFUSED: "the agent's log says why it refused the batch: install the same version of "
    "nilometer for server and agent, and check the middleware's labels",
    DropReason.POISON: "profiling this observation crashed the process: the agent's log has its size "
    "and shape; check your profilers and decoders, and please report it",
    DropReason.NEVER_RAN: "gRPC calls ended before their handler ran: the server is overloaded, so give "
    "it more threads, or its clients longer deadlines",
    DropReason.INTERNAL_ERROR: "this is a bug of nilometer: please report it with the log",
}
UNDECODABLE: Mapping[UndecodableReason, str] = {
    UndecodableReason.EMPTY: "endpoints without bodies: list them in exclude, or use nilometer.log",
    UndecodableReason.MALFORMED: "the body does not match its content type: check one with "
    "`nilometer decode`",
    UndecodableReason.UNKNOWN_CONTENT_TYPE: "write a decoder (docs/decoding.md), or log the values "
    "with nilometer.log",
    UndecodableReason.TOO_LARGE: "raise max_body_bytes of the middleware, or log the values with "
    "nilometer.log",
    UndecodableReason.ENCODED: "pip install 'nilometer[decode]' where the agent runs",
    UndecodableReason.WRONG_SHAPE: "check one with `nilometer decode`, or log the values with "
    "nilometer.log",
    UndecodableReason.FAILED_REQUEST: "requests fail: see outcomes and statuses of the entity",
    UndecodableReason.NOT_INFERENCE: "probes, calls that manage a server (such as OpenAI's "
    "files), and requests without a body that a decoder takes: a rule in include makes them "
    "predictions, one in exclude leaves them out; `nilometer decode` shows which",
    UndecodableReason.WEBSOCKET: "messages of WebSockets are only counted: log values with "
    "nilometer.observe",
    UndecodableReason.DECODER_FAILED: "a decoder raised an error: see the agent's log",
    UndecodableReason.WITHHELD: "redaction was not sure to find every named field: see "
    "redact_fields in docs/capture.md, or log the other values with nilometer.log",
    UndecodableReason.PARTIAL: "long streams are decoded at both ends only: raise max_body_bytes of "
    "the middleware to decode the middle",
}
DECLARE = (
    "names that look like values or are rare do not become features: declare real features in "
    "schemas of the agent, or publish a reference (docs/decoding.md)"
)
EVENT_TIMES = (
    "check event_time_header and event_time_field, and set event_time_unit if times are numbers"
)
# These reasons are normal and are not reported as findings.
EXPECTED = {
    UndecodableReason.FAILED_REQUEST.value,
    UndecodableReason.NOT_INFERENCE.value,
    UndecodableReason.EMPTY.value,
    UndecodableReason.WEBSOCKET.value,
}


def coverage(examined: ExaminedAgent) -> Iterator[Finding]:
    """Report how many observations have columns, and why the others have no columns."""
    status = examined.status
    if status is None:
        return
    seen = status.counters["observations"]
    if not seen:
        yield Finding("coverage", Level.OK, "no observation yet")
        return
    profiled = status.counters["profiled"]
    yield Finding("coverage", Level.OK, f"{profiled:,} of {seen:,} observations have columns")
    for counts, remedies, level, what in (
        (status.dropped, DROPPED, Level.BROKEN, "lost"),
        (status.undecodable, UNDECODABLE, Level.WARNING, "without columns"),
        (status.lost_inputs, UNDECODABLE, Level.WARNING, "profiled, inputs lost"),
        (status.lost_outputs, UNDECODABLE, Level.WARNING, "profiled, outputs lost"),
        (status.lost_cells, {}, Level.WARNING, "cells lost"),
    ):
        known = {reason.value: remedy for reason, remedy in remedies.items()}
        for name, count in sorted(counts.items(), key=lambda one: -one[1]):
            how = Level.OK if name in EXPECTED else level
            text = f"{count:,} {what}: {name}"
            yield Finding("coverage", how, text, known.get(name, "see docs/telemetry.md"))
    if unread := status.counters["unread_times"]:
        text = f"{unread:,} event times could not be read; their arrival time is used"
        yield Finding("coverage", Level.WARNING, text, EVENT_TIMES)
    yield from _unnamed(status.unnamed, status.counters["columns_over_limit"], seen)


def _unnamed(cells: Mapping[str, int], over_limit: int, seen: int) -> Iterator[Finding]:
    """Report columns over the limit, and cells of names that are not features yet."""
    if over_limit:
        text = f"{over_limit:,} columns refused: an entity can have {MAX_FEATURES:,} features"
        yield Finding("coverage", Level.WARNING, text, DECLARE)
    if cells:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(cells.items()))
        total = sum(cells.values())
        level = Level.WARNING if total > seen else Level.OK
        yield Finding("coverage", level, f"{total:,} unnamed cells: {kinds}", DECLARE)
