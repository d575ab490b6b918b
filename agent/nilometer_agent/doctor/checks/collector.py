"""Check of the collector, as this machine reaches it."""

import time
from collections.abc import Iterator
from typing import Any

import grpc

from nilometer.values.clock import NANOSECONDS
from nilometer.wire.services import GetPlanRequest
from nilometer_agent.doctor.examined import ExaminedAgent
from nilometer_agent.doctor.finding import Finding, Level
from nilometer_agent.doctor.states import STATES
from nilometer_agent.doctor.words import seconds_in_words
from nilometer_agent.uplink.dial import Dial, Reach

PLAN_SECONDS = 3.0
MAX_SKEW_SECONDS = 2.0


def collector(examined: ExaminedAgent) -> Iterator[Finding]:
    """Check that the collector answers, accepts this agent, and has the same time."""
    settings, status = examined.settings, examined.status
    address = settings.collector
    if status is not None and status.collector != address:
        yield Finding(
            "collector",
            Level.WARNING,
            f"the agent ships to {status.collector or 'no collector'!r}, the settings here say "
            f"{address or 'no collector'!r}",
            "give the doctor the settings of the agent: --config or --collector",
        )
    if not address:
        text = "no collector is set: summaries stay in the outbox until it is full"
        yield Finding("collector", Level.OK, text)
        return
    dial = Dial(address, settings.credentials)
    try:
        reach, why = dial.probe()
        if reach is not Reach.ANSWERS:
            state = "tls_error" if reach is Reach.TLS else "unavailable"
            yield Finding("collector", Level.BROKEN, f"{address}: {why}", STATES[state])
            return
        yield from _asked(examined, dial, address)
    finally:
        dial.close()


def _asked(examined: ExaminedAgent, dial: Dial, address: str) -> Iterator[Finding]:
    before = time.time_ns()
    try:
        # The token is issued to the agent's name. A call without an instance does not count as an
        # agent.
        asked = GetPlanRequest(agent=examined.settings.agent_name)
        plan = dial.GetPlan(asked, timeout=PLAN_SECONDS)
    except OSError as error:
        text = f"{address}: {error.filename}: {error.strerror}"
        yield Finding("collector", Level.BROKEN, text, STATES["tls_error"])
        return
    except grpc.RpcError as error:
        call: Any = error
        state = {
            grpc.StatusCode.UNAUTHENTICATED: "auth_error",
            grpc.StatusCode.PERMISSION_DENIED: "auth_error",
            grpc.StatusCode.UNIMPLEMENTED: "version_error",
            grpc.StatusCode.RESOURCE_EXHAUSTED: "overloaded",
        }.get(call.code(), "unavailable")
        text = f"{address}: {call.code().name}: {call.details()}"
        yield Finding("collector", Level.BROKEN, text, STATES[state])
        return
    after = time.time_ns()
    yield Finding("collector", Level.OK, f"{address} answers")
    if not plan.now_unix_nano:
        return
    ahead = max(plan.now_unix_nano - after, 0) - max(before - plan.now_unix_nano, 0)
    skew = ahead / NANOSECONDS
    if abs(skew) > MAX_SKEW_SECONDS:
        yield Finding(
            "clock",
            Level.WARNING,
            f"the collector's clock is {seconds_in_words(abs(skew))} {'ahead' if skew > 0 else 'behind'}",
            "synchronize both with NTP: the collector aligns the windows of agents by time",
        )
