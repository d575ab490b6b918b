"""What a target is told: the action, the episode, and what has moved."""

from collections.abc import Mapping
from dataclasses import dataclass

from nilometer.values.times import time_iso
from nilometer_collector.alerting.action_runs import Run
from nilometer_collector.alerting.action_states import RunState
from nilometer_collector.channels.message import page_of
from nilometer_collector.store import EpisodeRecord

VERSION = 1
PREFIX = "NILOMETER_"  # start of the names of variables


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a target is told to do.

    Attributes:
        run: Run that is sent.
        episode: Episode that the action is to cure.
        page_url: URL of the pages, without a final slash.
    """

    run: Run
    episode: EpisodeRecord
    page_url: str

    @property
    def link(self) -> str:
        """URL of the page that shows the episode."""
        return page_of(self.page_url, self.episode, self.episode.opened_ns)

    @property
    def approved_by(self) -> str:
        """Name of the person who approved or started it; empty if it needed no approval."""
        turns = [turn for turn in self.run.turns if turn.state is RunState.APPROVED]
        return turns[-1].author if turns else ""

    def content(self) -> Mapping[str, object]:
        """Return the order as JSON values."""
        run, episode = self.run, self.episode
        return {
            "version": VERSION,
            "kind": "action",
            "key": run.key,
            "run": run.id,
            "action": run.action.name,
            "cure": run.action.cure,
            "entity": run.entity,
            "parameters": dict(run.action.parameters),
            "approved_by": self.approved_by,
            "episode": {
                "id": episode.id,
                "alerter": episode.alerter.name,
                "summary": episode.summary,
                "labels": episode.labels.as_dict(),
                "severity": episode.history[-1].alerter.severity.value,
                "since": time_iso(min([p.onset_ns for p in episode.parts] or [episode.since_ns])),
                "opened": time_iso(episode.opened_ns),
                "evidence": episode.evidence,
                "moved": [
                    {"summary": part.summary, "labels": part.labels.as_dict()}
                    for part in episode.parts
                ],
            },
            "link": self.link,
        }

    def variables(self) -> dict[str, str]:
        """Return the order as texts, for systems of builds: the parameters keep their names."""
        run = self.run
        told = {
            "KEY": run.key,
            "ACTION": run.action.name,
            "CURE": run.action.cure,
            "ENTITY": run.entity,
            "EPISODE": str(run.episode),
            "SUMMARY": self.episode.summary,
            "EVIDENCE": self.episode.evidence,
            "LINK": self.link,
        }
        named = {f"{PREFIX}{name}": value for name, value in told.items()}
        return {**run.action.parameters, **named}
