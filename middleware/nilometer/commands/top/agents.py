"""One agent's row: what happened per second between two of its readings."""

from dataclasses import dataclass

from nilometer.commands.top.readings import History


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRow:
    """One agent, now. Rates are per second; None is not known (yet).

    Attributes:
        address: Where it was asked.
        name: What it calls itself; the address until it has answered.
        up: Whether the last question was answered.
        away_seconds: Since it last answered, while it does not.
        reason: Why it does not answer.
        restarts: That were seen from here.
        uptime: Seconds.
        observations: Observations that were committed.
        dropped: Of them, lost before they came here.
        queue_rows: Samples and evaluations that wait for the collector.
        queue_growth: Rows a second; negative while it drains.
        lag_seconds: Age of the oldest of them.
        cpu: Of one core.
        failures: Failed calls to the collector and failed exports.
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
    """One agent as of monotonic *now*; *reason* is why it did not answer last, empty if it did."""
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
