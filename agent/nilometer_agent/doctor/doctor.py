"""Diagnosis of a set-up from the place where the agent runs: problems and their remedies.

Every check works even if everything else is broken. It ends within seconds, raises nothing and
prints no secret. Checks ask the agent for its `Status` where they can. They check from outside what
the agent cannot report itself, such as a missing socket.
"""

from collections.abc import Iterator, Mapping

from nilometer_agent.doctor.checks.agent import agent
from nilometer_agent.doctor.checks.buffer import buffer
from nilometer_agent.doctor.checks.clocks import clocks
from nilometer_agent.doctor.checks.collector import collector
from nilometer_agent.doctor.checks.coverage import coverage
from nilometer_agent.doctor.checks.directory import directory
from nilometer_agent.doctor.checks.export import export
from nilometer_agent.doctor.checks.laws import laws
from nilometer_agent.doctor.checks.proxies import proxies
from nilometer_agent.doctor.checks.rules import rules
from nilometer_agent.doctor.checks.secrets import secrets
from nilometer_agent.doctor.checks.shipping import shipping
from nilometer_agent.doctor.checks.socket import socket
from nilometer_agent.doctor.checks.workers import workers
from nilometer_agent.doctor.examined import Check, ExaminedAgent
from nilometer_agent.doctor.finding import Finding, Level
from nilometer_agent.settings import AgentSettings

# In the order in which they run: the check of the agent stores answers that later checks read.
CHECKS: Mapping[str, Check] = {
    "directory": directory,
    "socket": socket,
    "agent": agent,
    "buffer": buffer,
    "workers": workers,
    "coverage": coverage,
    "rules": rules,
    "laws": laws,
    "collector": collector,
    "shipping": shipping,
    "clocks": clocks,
    "export": export,
    "secrets": secrets,
    "proxies": proxies,
}


def examine(settings: AgentSettings, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield all findings about the agent of *settings*.

    Args:
        settings: Settings of the agent that runs, or should run, here.
        environment: Environment variables of that agent.
    """
    examined = ExaminedAgent(settings, environment)
    for name, check in CHECKS.items():
        try:
            yield from check(examined)
        except Exception as error:
            text = f"check failed: {type(error).__name__}: {error}"
            yield Finding(name, Level.WARNING, text, "please report it")
