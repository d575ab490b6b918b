"""The row of an agent: rates per second from two of its readings."""

from dataclasses import dataclass

from nilometer.commands.top.readings import History


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRow:
    """The current state of one agent. Rates are per second; None is unknown.

    Attributes:
        address: Address to which requests are sent.
        name: Name that it reports; its address until the first response.
        up: Whether it answered the last request.
        away_seconds: Time since it last answered; None while it answers.
        reason: Reason why it does not answer; empty if it does.
        restarts: Number of restarts since this command began.
        uptime: Time since its start, in seconds.
        observations: Rate of observations that were committed.
        dropped: Rate of observations that were lost.
        queue_rows: Number of samples and evaluations that wait for the collector.
        queue_growth: Rate at which the queue grows; negative while it drains.
        lag_seconds: Age of the oldest waiting row.
        cpu: Processor time, as a share of one core.
        failures: Rate of failed calls to the collector and failed exports.
    """

    address: str
    name: str = ""
    version: str = ""
    up: bool = False
    away_seconds: float | None = None
    reason: str = ""
    restarts: int = 0
    uptime: float | None = None
    workers: int | None = None
    observations: float | None = None
    dropped: float | None = None
    commits: float | None = None
    queue_rows: int | None = None
    queue_growth: float | None = None
    lag_seconds: float | None = None
    uncommitted: int | None = None
    buffer_bytes: int | None = None
    buffer_cap: int | None = None
    quarantined: int | None = None
    durable: bool = True
    cpu: float | None = None
    resident_bytes: int | None = None
    failures: float | None = None
    collector: str = ""
    collector_state: str = ""
    collector_reason: str = ""
    duplicate: bool = False


def agent_row(
    address: str, history: History, span: float, now: float, reason: str = ""
) -> AgentRow:
    """Return the row at monotonic *now*; *reason* is why the last request failed; may be empty."""
    newest = history.newest
    if newest is None:
        return AgentRow(address=address, name=address, reason=reason)
    gauges = newest.gauges

    def rate(*names: str) -> float | None:
        both = history.over(span)
        if both is None or reason:
            return None
        then, last = both
        grown = sum(last.counters.get(name, 0) - then.counters.get(name, 0) for name in names)
        return grown / (last.at - then.at)

    def gauge_rate(name: str) -> float | None:
        both = history.over(span)
        if both is None or reason or name not in gauges:
            return None
        then, last = both
        return (last.gauges[name] - then.gauges.get(name, 0)) / (last.at - then.at)

    milliseconds = gauge_rate("cpu_milliseconds")
    return AgentRow(
        address=address,
        name=newest.agent or address,
        version=newest.version,
        up=not reason,
        away_seconds=now - newest.at if reason else None,
        reason=reason,
        restarts=history.restarts,
        uptime=newest.uptime,
        workers=newest.workers,
        observations=rate("observations"),
        dropped=rate("dropped"),
        commits=rate("commits"),
        queue_rows=gauges.get("rows_in_outbox"),
        queue_growth=gauge_rate("rows_in_outbox"),
        lag_seconds=gauges.get("lag_seconds"),
        uncommitted=gauges.get("batches_uncommitted"),
        buffer_bytes=gauges.get("buffer_bytes"),
        buffer_cap=gauges.get("buffer_bytes_cap"),
        quarantined=gauges.get("rows_in_quarantine"),
        durable=bool(gauges.get("buffer_durable", 1)),
        cpu=None if milliseconds is None else milliseconds / 1000,
        resident_bytes=gauges.get("resident_bytes"),
        failures=rate("ship_failures", "export_failures"),
        collector=newest.collector,
        collector_state=newest.collector_state,
        collector_reason=newest.collector_reason,
        duplicate=newest.duplicate,
    )
