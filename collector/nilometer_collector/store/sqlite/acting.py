"""Runs of actions in SQLite."""

from collections.abc import Mapping, Sequence
from typing import Any

from nilometer.values.clock import NANOSECONDS
from nilometer_collector.alerting.action_runs import Run, RunTurn
from nilometer_collector.alerting.actions import KIND, ActionDefinition
from nilometer_collector.store.acting import (
    EVERY_RUN,
    MOST_RUNS,
    MOST_WAIT_NS,
    DeclaredActions,
    Reply,
    RunQuestion,
    Verdict,
    channel_of,
    definition_text,
    failure_of,
    not_before_ns,
)
from nilometer_collector.store.acting_steps import Steps
from nilometer_collector.store.delivering import ATTEMPTS_KEPT_SECONDS
from nilometer_collector.store.records import EpisodeRecord
from nilometer_collector.store.rows import run_of, run_turn_of
from nilometer_collector.store.sqlite.database import Database, in_json
from nilometer_collector.store.sqlite.episodes import read_episodes
from nilometer_collector.store.sqlite.queueing import Queue

_RUNS = """
SELECT id, key, entity, episode, number, definition, state, attempts, last_failure, held_by
FROM action_runs WHERE (?1 IS NULL OR entity = ?1) AND (?2 IS NULL OR episode IN (SELECT value FROM json_each(?2)))
  AND (?3 IS NULL OR id = ?3) AND (?4 IS NULL OR is_over = ?4)
  AND (?5 IS NULL OR entity IN (SELECT value FROM json_each(?5)))
ORDER BY id DESC LIMIT ?6
"""
# A wait that is longer than allowed means that the clock went back.
_TO_SEND = """
SELECT entity, id FROM action_runs WHERE NOT is_over AND state IN ('approved', 'sending', 'sent')
  AND (not_before_ns <= ?1 OR not_before_ns > ?1 + ?2) ORDER BY id
"""
_ENTITIES = """
SELECT entity FROM action_runs WHERE NOT is_over UNION SELECT entity FROM episodes
WHERE closed_ns IS NULL AND EXISTS (SELECT 1 FROM objects WHERE kind = ?)
ORDER BY 1
"""
_STARTS = """
SELECT entity, started_ns FROM action_runs WHERE action_entity = ?1 AND action_name = ?2
  AND started_ns > 0 AND (started_ns > ?3 OR entity = ?4) ORDER BY started_ns
"""
_TURNS = "SELECT state, at_ns, author, reason FROM action_turns WHERE run = ? ORDER BY id"


def read_runs(database: Database, question: RunQuestion) -> list[Run]:
    """Read runs with their turns, newest first, at most `MOST_RUNS`."""
    is_over = None if question.is_over is None else int(question.is_over)
    episodes, among = in_json(question.episodes), in_json(question.among)
    asked = (question.entity, episodes, question.run, is_over, among, MOST_RUNS)
    return [
        run_of(row, [run_turn_of(turn) for turn in database.rows(_TURNS, (row[0],))])
        for row in database.rows(_RUNS, asked)
    ]


def read_turn(database: Database, turn: int) -> tuple[Run, RunTurn]:
    """Read a turn and its run."""
    ((run, *found),) = database.rows(
        "SELECT run, state, at_ns, author, reason FROM action_turns WHERE id = ?", (turn,)
    )
    return read_runs(database, RunQuestion(run=run))[0], run_turn_of(found)


class Actions:
    """Makes, advances and lists runs.

    Args:
        database: Database that holds them.
        queue: Queue of notifications.
    """

    def __init__(self, database: Database, queue: Queue) -> None:
        self._database = database
        self._tables = _Tables(database, queue)

    def entities(self) -> list[str]:
        """Return the entities that have a run under way, or an open episode while actions exist."""
        return [entity for (entity,) in self._database.rows(_ENTITIES, (KIND,))]

    def step(self, entity: str, performance: Mapping[str, float], now_ns: int) -> int:
        """Make and advance the runs of *entity*; return the number of queued messages."""
        with self._database.write():
            return Steps(self._tables, now_ns, performance).advance(entity)

    def take(self, now_ns: int) -> Run | None:
        """Return the next run to send; None if there is none."""
        with self._database.write():
            return Steps(self._tables, now_ns).take()

    def answered(self, run: Run, reply: Reply, now_ns: int) -> int:
        """Record an attempt to send *run*; return the number of queued messages."""
        with self._database.write():
            return Steps(self._tables, now_ns).answered(run, reply)

    def judge(self, run: int, verdict: Verdict, now_ns: int) -> Run:
        """Record the approval or the refusal of a run."""
        with self._database.write():
            return Steps(self._tables, now_ns).judge(run, verdict)

    def start(self, entity: str, episode: int, name: str, verdict: Verdict, now_ns: int) -> Run:
        """Start an action for an open episode, because a person wants it."""
        with self._database.write():
            return Steps(self._tables, now_ns).start(entity, episode, name, verdict)

    def runs(self, question: RunQuestion = EVERY_RUN) -> list[Run]:
        """List runs with their turns, newest first."""
        return read_runs(self._database, question)


class _Tables:
    """The rows of runs; every method runs inside a transaction, which excludes all others."""

    def __init__(self, database: Database, queue: Queue) -> None:
        self._database = database
        self._queue = queue

    def lock(self) -> None:
        """Do nothing: the transaction excludes all others."""

    def actions(self) -> DeclaredActions:
        """Return all declared actions."""
        rows = self._database.rows(
            "SELECT entity, name, content FROM objects WHERE kind = ? ORDER BY entity, name",
            (KIND,),
        )
        return DeclaredActions.of((pattern, name, text) for pattern, name, text in rows)

    def targets(self) -> dict[str, str]:
        """Return the stored text of each target by name."""
        return dict(self._database.rows("SELECT name, payload FROM targets"))

    def episodes(self, entity: str) -> list[EpisodeRecord]:
        """Return the open episodes of *entity* and those of its runs that are not over."""
        found = read_episodes(self._database, entity, is_open=True)
        known = {one.id for one in found}
        for (episode,) in self._database.rows(
            "SELECT DISTINCT episode FROM action_runs WHERE entity = ? AND NOT is_over", (entity,)
        ):
            if episode not in known:
                found += read_episodes(self._database, entity, episode=episode)
        return found

    def runs(self, question: RunQuestion) -> list[Run]:
        """List runs, newest first."""
        return read_runs(self._database, question)

    def to_send(self, now_ns: int) -> list[tuple[str, int]]:
        """List entity and id of the runs that may be sent now, oldest first."""
        asked = (now_ns, MOST_WAIT_NS)
        return [(entity, run) for entity, run in self._database.rows(_TO_SEND, asked)]

    def hold(self, run: Run) -> bool:
        """Return True: one collector uses the file."""
        del run
        return True

    def holds(self, run: Run) -> bool:
        """Return True: one collector uses the file."""
        del run
        return True

    def started(
        self, action: ActionDefinition, entity: str, since_ns: int
    ) -> tuple[int, list[int]]:
        """Return the newest start of an action for *entity*, and all its starts after a time."""
        rows = self._database.rows(_STARTS, (action.entity, action.name, since_ns, entity))
        newest_ns = max((at_ns for name, at_ns in rows if name == entity), default=0)
        return newest_ns, [at_ns for _, at_ns in rows if at_ns > since_ns]

    def heard_ns(self, entity: str, summaries: Sequence[str]) -> int:
        """Return when the newest sample of these summaries arrived; 0 without any."""
        rows = self._database.rows(
            "SELECT summary, last_received_ns FROM series WHERE entity = ?", (entity,)
        )
        return max((at_ns for summary, at_ns in rows if summary in summaries), default=0)

    def add(self, run: Run) -> Run:
        """Store a new run and its turns; return it with its id."""
        action = run.action
        identity = self._database.execute(
            "INSERT INTO action_runs (key, entity, episode, action_entity, action_name, number, "
            "definition, state, is_over) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
            (
                *(run.key, run.entity, run.episode, action.entity, action.name, run.number),
                *(definition_text(action), run.state.value),
            ),
        )
        for turn in run.turns:
            self._add_turn(identity, turn)
        return read_runs(self._database, RunQuestion(run=identity))[0]

    def turn(self, run: Run, turn: RunTurn) -> int:
        """Store a turn and the state of *run* after it; return the id of the turn."""
        self._database.execute(
            "UPDATE action_runs SET state = ?, is_over = ?, definition = ?, held_by = '', "
            "started_ns = CASE WHEN started_ns = 0 AND ? THEN ? ELSE started_ns END WHERE id = ?",
            (
                *(run.state.value, int(run.state.is_over), definition_text(run.action)),
                *(int(run.state.is_start), turn.at_ns, run.id),
            ),
        )
        return self._add_turn(run.id, turn)

    def held_by(self, run: Run, reason: str) -> None:
        """Store what a waiting run waits for."""
        self._database.execute(
            "UPDATE action_runs SET held_by = ? WHERE id = ? AND held_by != ?",
            (reason, run.id, reason),
        )

    def attempted(self, run: Run, reply: Reply, now_ns: int) -> None:
        """Store an attempt to send a run."""
        failure, channel = failure_of(reply), channel_of(run)
        self._database.execute(
            "UPDATE action_runs SET attempts = attempts + 1, not_before_ns = ?, "
            "last_failure = COALESCE(?, last_failure) WHERE id = ?",
            (not_before_ns(reply, now_ns), failure, run.id),
        )
        self._database.execute(
            "INSERT INTO attempts (channel, key, at_ns, outcome, reason) VALUES (?, ?, ?, ?, ?)",
            (channel, run.key, now_ns, reply.outcome, failure or ""),
        )
        self._database.execute(
            "DELETE FROM attempts WHERE channel = ? AND at_ns < ?",
            (channel, now_ns - ATTEMPTS_KEPT_SECONDS * NANOSECONDS),
        )

    def tell(self, run: Run, turn: int, now_ns: int) -> int:
        """Queue the messages about a turn; return their number."""
        escalate_to = run.action.escalate_to if run.state.is_escalated else ""
        return self._queue.tell_action(run.entity, run.episode, turn, escalate_to, now_ns)

    def _add_turn(self, run: int, turn: RunTurn) -> int:
        values: tuple[Any, ...] = (run, turn.state.value, turn.at_ns, turn.author, turn.reason)
        return self._database.execute(
            "INSERT INTO action_turns (run, state, at_ns, author, reason) VALUES (?, ?, ?, ?, ?)",
            values,
        )
