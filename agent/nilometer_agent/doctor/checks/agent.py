"""Check of the agent's own answers."""

import time
from collections.abc import Iterator
from typing import Any

import grpc

import nilometer
from nilometer.handoff.spawn import answers
from nilometer.wire.services import CHANNEL_OPTIONS, StatusRequest, agent_stub
from nilometer_agent.doctor.examined import ExaminedAgent
from nilometer_agent.doctor.finding import Finding, Level
from nilometer_agent.doctor.words import seconds_in_words

STATUS_SECONDS = 3.0
LOOKS = 4  # number of snapshots of a busy agent's counters
BETWEEN_LOOKS_SECONDS = 0.25


def agent(examined: ExaminedAgent) -> Iterator[Finding]:
    """Check that the agent answers, runs this version, and is the agent of these settings."""
    path = examined.settings.socket_path
    if not answers(path):
        return
    with grpc.insecure_channel(f"unix:{path}", options=CHANNEL_OPTIONS) as channel:
        stub = agent_stub(channel)
        try:
            for look in range(LOOKS):
                time.sleep(BETWEEN_LOOKS_SECONDS if look else 0)
                examined.looks.append(stub.Status(StatusRequest(), timeout=STATUS_SECONDS))
        except grpc.RpcError as error:
            code: Any = error
            yield Finding(
                "agent",
                Level.BROKEN,
                f"the socket is open, but the agent does not answer ({code.code().name})",
                "the process is stopped, hangs, or is not an agent: see its log and restart it",
            )
            return
    status = examined.looks[-1]
    up = f"up {seconds_in_words(status.uptime_seconds)}"
    yield Finding("agent", Level.OK, f"{status.agent}, version {status.version}, {up}")
    if status.version != nilometer.__version__:
        yield Finding(
            "agent",
            Level.WARNING,
            f"the agent has version {status.version}, this command has {nilometer.__version__}",
            "install the same version for both",
        )
    if status.data_directory != str(examined.settings.home):
        yield Finding(
            "agent",
            Level.WARNING,
            f"the agent keeps its data in {status.data_directory}, not in {examined.settings.home}",
            "give the doctor the settings of the agent: --config or --directory",
        )
    if status.duplicate:
        yield Finding(
            "agent",
            Level.BROKEN,
            f"another process ships as {status.agent!r}",
            "give each agent its own name and volume: a volume was copied, or two pods share one",
        )
