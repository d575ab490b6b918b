"""What became of the observations, and what to do about each reason."""

from collections.abc import Iterator, Mapping

from nilometer.profiling.admission import MAX_FEATURES
from nilometer.values.reasons import DropReason, UndecodableReason
from nilometer_agent.doctor.examined import ExaminedAgent
from nilometer_agent.doctor.finding import Finding, Level

# What to do about each reason; a test holds that none is missing.
DROPPED: Mapping[DropReason, str] = {
    DropReason.QUEUE_FULL: "the agent was away or slow for long: see that it runs beside the server "
    "from the start, give it more CPU, or raise max_queue_bytes of the middleware",
    DropReason.TOO_LARGE: "lower max_body_bytes of the middleware, or log fewer values a request",
    DropReason.MALFORMED_BATCH: "bring server and agent to one version of nilometer",
    DropReason.REFUSED: "the agent's log says what is against the contract: bring server and agent "
    "to one version of nilometer, and check the middleware's labels",
    DropReason.POISON: "the agent's log has its size and shape: a profiler or decoder of yours, or a "
    "library, ends the process; please report it",
    DropReason.INTERNAL_ERROR: "a fault of nilometer: its log has it; please report it",
}
UNDECODABLE: Mapping[UndecodableReason, str] = {
    UndecodableReason.EMPTY: "endpoints without bodies: name them in exclude, or use nilometer.log",
    UndecodableReason.MALFORMED: "look at one with `nilometer decode`; clients send what is not "
    "what its content type says",
    UndecodableReason.UNKNOWN_CONTENT_TYPE: "write a decoder (docs/decoding.md), or hand values over "
    "with nilometer.log",
    UndecodableReason.TOO_LARGE: "raise max_body_bytes of the middleware, or hand values over with "
    "nilometer.log",
    UndecodableReason.ENCODED: "pip install 'nilometer[decode]' where the agent runs",
    UndecodableReason.WRONG_SHAPE: "look at one with `nilometer decode`; hand values over with "
    "nilometer.log",
    UndecodableReason.FAILED_REQUEST: "requests fail: see outcomes and statuses of the entity",
    UndecodableReason.NOT_INFERENCE: "questions for metadata: name their paths in exclude to leave "
    "them out",
    UndecodableReason.DECODER_FAILED: "your decoder raised: the agent's log names it",
    UndecodableReason.PARTIAL: "long streams are read at both ends: raise max_body_bytes of the "
    "middleware for what lies between",
}
DECLARE = (
    "names that look like values, or that few requests had, are no features: declare those that are "
    "in schemas of the agent, or publish a reference (docs/decoding.md)"
)
# What is fine for these reasons is not told as a finding.
EXPECTED = {
    UndecodableReason.FAILED_REQUEST.value,
    UndecodableReason.NOT_INFERENCE.value,
    UndecodableReason.EMPTY.value,
}


def coverage(examined: ExaminedAgent) -> Iterator[Finding]:
    """How many observations have columns, and why others have none."""
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
    ):
        known = {reason.value: remedy for reason, remedy in remedies.items()}
        for name, count in sorted(counts.items(), key=lambda one: -one[1]):
            how = Level.OK if name in EXPECTED else level
            text = f"{count:,} {what}: {name}"
            yield Finding("coverage", how, text, known.get(name, "see docs/telemetry.md"))
    yield from _unnamed(status.unnamed, status.counters["columns_over_limit"], seen)


def _unnamed(cells: Mapping[str, int], over_limit: int, seen: int) -> Iterator[Finding]:
    """Cells whose names are no features: more than observations are hardly those of new names."""
    if over_limit:
        text = (
            f"{over_limit:,} columns of requests refused: an entity has {MAX_FEATURES:,} features"
        )
        yield Finding("coverage", Level.WARNING, text, DECLARE)
    if cells:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(cells.items()))
        total = sum(cells.values())
        level = Level.WARNING if total > seen else Level.OK
        yield Finding("coverage", level, f"{total:,} cells unnamed: {kinds}", DECLARE)
