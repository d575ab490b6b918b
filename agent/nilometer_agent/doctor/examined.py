"""The agent that the doctor examines: its settings, its environment, and its answers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from nilometer.wire.services import StatusReply
from nilometer_agent.doctor.finding import Finding
from nilometer_agent.settings import AgentSettings


@dataclass(slots=True)
class ExaminedAgent:
    """The agent that runs, or should run, here.

    Attributes:
        settings: Settings of the agent.
        environment: Environment variables of the agent.
        looks: Answers of the agent about itself, oldest first; the check of the agent adds them.
    """

    settings: AgentSettings
    environment: Mapping[str, str]
    looks: list[StatusReply] = field(default_factory=list)

    @property
    def status(self) -> StatusReply | None:
        """The newest answer of the agent; None if the agent did not answer."""
        return self.looks[-1] if self.looks else None


class Check(Protocol):
    """Checks one thing, even if other parts are broken; ends within seconds, prints no secret."""

    def __call__(self, examined: ExaminedAgent) -> Iterator[Finding]:
        """Yield the findings."""
        ...
