"""Runs of actions: the verbs that `Store.actions` implements, and the rows that each database has."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

from nilometer.values.clock import NANOSECONDS
from nilometer_collector.alerting.action_runs import Run, RunTurn
from nilometer_collector.alerting.actions import KIND, ActionDefinition
from nilometer_collector.store.delivering import MOST_WAIT_SECONDS
from nilometer_collector.store.records import EpisodeRecord
from nilometer_collector.store.texts import short_text
from nilometer_collector.store.written import Unread, read_content

MOST_RUNS = 1000  # runs in one response
MOST_WAIT_NS = int(MOST_WAIT_SECONDS * NANOSECONDS)  # longest wait between two attempts at a run
RUN_LEASE_SECONDS = 60.0  # longest time that one collector keeps a run; an attempt takes up to 30 s


class RunQuestion(NamedTuple):
    """Selection of runs. None selects every value.

    Attributes:
        among: Entities that the asker may see.
    """

    entity: str | None = None
    episodes: Collection[int] | None = None
    run: int | None = None
    is_over: bool | None = None
    among: Collection[str] | None = None


EVERY_RUN = RunQuestion()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What became of an attempt to send a run.

    Attributes:
        outcome: ``delivered``, ``refused`` or ``failed``.
        reason: Reason why it was not delivered; empty if it was.
        wait_seconds: Time for which no collector may retry.
        may_have_arrived: Whether a failed attempt may have arrived.
        may_repeat: Whether the target recognises a repetition, so that it may be sent again then.
    """

    outcome: str
    reason: str = ""
    wait_seconds: float = 0.0
    may_have_arrived: bool = False
    may_repeat: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a person decides about a run that awaits approval.

    Attributes:
        author: Name of the person or program.
        is_approval: Whether it is approved; otherwise it is declined.
        by_link: Whether the author has shown the signed link of the message.
    """

    author: str
    reason: str
    is_approval: bool
    by_link: bool = False


class Actions(Protocol):
    """Runs of actions, with every change of their states."""

    def entities(self) -> list[str]:
        """Return the entities that have a run under way, or an open episode while actions exist."""
        ...

    def step(self, entity: str, performance: Mapping[str, float], now_ns: int) -> int:
        """Make and advance the runs of *entity*; return the number of queued messages.

        Args:
            entity: Name of the entity.
            performance: Newest value of each known metric.
            now_ns: Wall time.
        """
        ...

    def take(self, now_ns: int) -> Run | None:
        """Return the next run to send, which no other collector sends for `RUN_LEASE_SECONDS`.

        None if there is none. The run has the state SENDING, or SENT, before this call returns. So
        after a crash it is sent again with the same key.
        """
        ...

    def answered(self, run: Run, reply: Reply, now_ns: int) -> int:
        """Record an attempt to send *run*; return the number of queued messages."""
        ...

    def judge(self, run: int, verdict: Verdict, now_ns: int) -> Run:
        """Record the approval or the refusal of a run.

        Raises:
            Unknown: If there is no such run.
            Conflict: If it does not await approval.
            Forbidden: If the author is no approver.
        """
        ...

    def start(self, entity: str, episode: int, name: str, verdict: Verdict, now_ns: int) -> Run:
        """Start an action for an open episode, because a person wants it.

        Raises:
            Unknown: If there is no such episode, or no such action for it.
            Conflict: If the episode is closed, or a limit of the action does not allow it.
        """
        ...

    def runs(self, question: RunQuestion = EVERY_RUN) -> list[Run]:
        """List at most `MOST_RUNS` runs with their turns, newest first."""
        ...


@dataclass(frozen=True, slots=True)
class DeclaredActions:
    """The declared actions, and the keys of those that only a newer version can read."""

    known: Sequence[ActionDefinition]
    unread: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str, str]]) -> "DeclaredActions":
        """Return the actions in *rows* of pattern, name and text."""
        read = [((pattern, name), definition_from(text)) for pattern, name, text in rows]
        return cls(
            [action for _, action in read if action is not None],
            frozenset(key for key, action in read if action is None),
        )


class RunTables(Protocol):
    """The rows of runs, inside one transaction."""

    def lock(self) -> None:
        """Wait until no other transaction changes runs, because limits count those of all entities."""
        ...

    def actions(self) -> DeclaredActions:
        """Return all declared actions."""
        ...

    def targets(self) -> dict[str, str]:
        """Return the stored text of each target by name."""
        ...

    def episodes(self, entity: str) -> list[EpisodeRecord]:
        """Return the open episodes of *entity* and those of its runs that are not over."""
        ...

    def runs(self, question: RunQuestion) -> list[Run]:
        """List runs, newest first."""
        ...

    def to_send(self, now_ns: int) -> list[tuple[str, int]]:
        """List entity and id of the runs that may be sent now, oldest first."""
        ...

    def hold(self, run: Run) -> bool:
        """Keep a run for this collector; return False if another one has it."""
        ...

    def holds(self, run: Run) -> bool:
        """Return whether this collector still has a run."""
        ...

    def started(
        self, action: ActionDefinition, entity: str, since_ns: int
    ) -> tuple[int, list[int]]:
        """Return the newest start of an action for *entity*, and all its starts after a time."""
        ...

    def heard_ns(self, entity: str, summaries: Sequence[str]) -> int:
        """Return when the newest sample of these summaries arrived; 0 without any."""
        ...

    def add(self, run: Run) -> Run:
        """Store a new run and its turns; return it with its id."""
        ...

    def turn(self, run: Run, turn: RunTurn) -> int:
        """Store a turn and the state of *run* after it; return the id of the turn."""
        ...

    def held_by(self, run: Run, reason: str) -> None:
        """Store what a waiting run waits for."""
        ...

    def attempted(self, run: Run, reply: Reply, now_ns: int) -> None:
        """Store an attempt to send a run."""
        ...

    def tell(self, run: Run, turn: int, now_ns: int) -> int:
        """Queue the messages about a turn; return their number."""
        ...


def definition_text(action: ActionDefinition) -> str:
    """Return *action* as the text that the store keeps."""
    return msgspec.json.encode(action, order="deterministic").decode()


def definition_from(text: str) -> ActionDefinition | None:
    """Return the action in *text*; None if a newer version wrote what this one cannot read."""
    found = read_content(text, ActionDefinition)
    return None if isinstance(found, Unread) else found


def failure_of(reply: Reply) -> str | None:
    """Return the reason of a failed attempt as the store keeps it; None if it succeeded."""
    return short_text(reply.reason) if reply.reason else None


def not_before_ns(reply: Reply, now_ns: int) -> int:
    """Return the wall time before which a run must not be tried again."""
    return now_ns + min(round(reply.wait_seconds * NANOSECONDS), MOST_WAIT_NS)


def channel_of(run: Run) -> str:
    """Return the name under which attempts to send *run* are kept, beside those of channels."""
    return f"{KIND}:{run.action.name}"
