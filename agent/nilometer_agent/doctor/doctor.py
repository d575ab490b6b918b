"""What is wrong with a set-up, seen from where the agent runs, and what to do about it.

Every check is made with everything else broken, ends within seconds, raises nothing and prints no
secret. What the agent knows it is asked (`Status`); what it cannot know - that nobody listens, that
a file stands where its socket should be - is looked at from outside.
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
from nilometer_agent.doctor.checks.secrets import secrets
from nilometer_agent.doctor.checks.shipping import shipping
from nilometer_agent.doctor.checks.socket import socket
from nilometer_agent.doctor.checks.workers import workers
from nilometer_agent.doctor.examined import Check, ExaminedAgent
from nilometer_agent.doctor.finding import Finding, Level
from nilometer_agent.settings import AgentSettings

# In the order they are made: later ones read what the check of the agent was told.
CHECKS: Mapping[str, Check] = {
    "directory": directory,
    "socket": socket,
    "agent": agent,
    "buffer": buffer,
    "workers": workers,
    "coverage": coverage,
    "laws": laws,
    "collector": collector,
    "shipping": shipping,
    "clocks": clocks,
    "export": export,
    "secrets": secrets,
    "proxies": proxies,
}


def examine(settings: AgentSettings, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Everything there is to say about the agent of *settings*, one after the other.

    Args:
        settings: Of the agent that runs, or should run, here.
        environment: Its variables.
    """
    examined = ExaminedAgent(settings, environment)
    for name, check in CHECKS.items():
        try:
            yield from check(examined)
        except Exception as error:
            text = f"could not be looked at: {type(error).__name__}: {error}"
            yield Finding(name, Level.WARNING, text, "please report it")
