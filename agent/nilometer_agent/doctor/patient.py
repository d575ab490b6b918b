"""The agent that is looked at: its settings, its environment, and what it said of itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from nilometer.wire.services import StatusReply
from nilometer_agent.doctor.finding import Finding
from nilometer_agent.settings import AgentSettings


@dataclass(slots=True)
class Patient:
    """One agent.

    Attributes:
        settings: Of the agent that runs, or should run, here.
        environment: Its variables.
        looks: What it said of itself, oldest first; the check of the agent fills it.
    """

    settings: AgentSettings
    environment: Mapping[str, str]
    looks: list[StatusReply] = field(default_factory=list)

    @property
    def status(self) -> StatusReply | None:
        """What it said last; None where it said nothing."""
        return self.looks[-1] if self.looks else None


class Check(Protocol):
    """Looks at one thing with everything else broken. It ends within seconds and prints no secret."""

    def __call__(self, patient: Patient) -> Iterator[Finding]:
        """What is found, one after the other."""
        ...
