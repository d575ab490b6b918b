"""Check of shipping to the collector, as the agent reports it."""

from collections.abc import Iterator

from nilometer_agent.doctor.examined import ExaminedAgent
from nilometer_agent.doctor.finding import Finding, Level
from nilometer_agent.doctor.states import STATES
from nilometer_agent.doctor.words import seconds_in_words

MAX_LAG_SECONDS = 300


def shipping(examined: ExaminedAgent) -> Iterator[Finding]:
    """Check that rows are shipped, and how long the oldest one waits."""
    status = examined.status
    if status is None or not status.collector:
        return
    lag = status.gauges["lag_seconds"]
    state = status.collector_state
    text = f"the agent reports the state {state!r}"
    if status.collector_reason:
        text += f": {status.collector_reason}"
    if state == "connecting" and not status.gauges["rows_in_outbox"]:
        yield Finding("shipping", Level.OK, "nothing to ship yet: no window has closed")
        return
    if state != "ready":
        level = Level.WARNING if state == "connecting" else Level.BROKEN
        yield Finding("shipping", level, text, STATES.get(state, "see the agent's log"))
    waits = f"the oldest row has waited for {seconds_in_words(lag)}"
    if lag > MAX_LAG_SECONDS:
        yield Finding(
            "shipping", Level.WARNING, waits, "the collector was unreachable or is too slow"
        )
    elif state == "ready":
        shipped = status.counters["rows_acknowledged"]
        yield Finding("shipping", Level.OK, f"{shipped:,} rows shipped, {waits}")
