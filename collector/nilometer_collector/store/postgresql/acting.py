"""Runs of actions in PostgreSQL.

Several collectors step and send runs. They take turns, so that one action at a time is under way for an
entity. A run that is being sent is held by one of them, by the server's clock.
"""

import uuid
from collections.abc import Mapping, Sequence

from nilometer.values.clock import NANOSECONDS
from nilometer_collector.alerting.action_runs import Run, RunTurn
from nilometer_collector.alerting.actions import KIND, ActionDefinition
from nilometer_collector.store.acting import (
    EVERY_RUN,
    MOST_RUNS,
    MOST_WAIT_NS,
    RUN_LEASE_SECONDS,
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
from nilometer_collector.store.postgresql.arrays import as_array
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.episodes import read_episodes
from nilometer_collector.store.postgresql.queueing import Queue
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.records import EpisodeRecord
from nilometer_collector.store.rows import run_of, run_turn_of

# One lock for all entities, because the starts of an action are counted over all of them.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('nilometer actions', 0))"
_ACTIONS = "SELECT entity, name, content FROM objects WHERE kind = %(kind)s ORDER BY entity, name"
_RUNS = """
SELECT id, key, entity, episode, number, definition, state, attempts, last_failure, held_by
FROM action_runs WHERE (%(entity)s::text IS NULL OR entity = %(entity)s)
  AND (%(episodes)s::bigint[] IS NULL OR episode = ANY(%(episodes)s))
  AND (%(run)s::bigint IS NULL OR id = %(run)s)
  AND (%(is_over)s::boolean IS NULL OR is_over = %(is_over)s)
  AND (%(among)s::text[] IS NULL OR entity = ANY(%(among)s))
ORDER BY id DESC LIMIT %(limit)s
"""
_TURNS = """
SELECT run, state, at_ns, author, reason FROM action_turns WHERE run = ANY(%(runs)s::bigint[])
ORDER BY id
"""
_TURN = "SELECT run, state, at_ns, author, reason FROM action_turns WHERE id = %(id)s"
_EPISODES = """
SELECT DISTINCT episode FROM action_runs WHERE entity = %(entity)s AND NOT is_over
"""
# A wait that is longer than allowed means that the clock went back.
_TO_SEND = """
SELECT entity, id FROM action_runs WHERE NOT is_over AND state IN ('approved', 'sending', 'sent')
  AND (not_before_ns <= %(now)s OR not_before_ns > %(now)s + %(most_wait)s)
  AND (holder IS NULL OR holder = %(holder)s OR held_until < clock_timestamp()) ORDER BY id
"""
_HOLD = """
UPDATE action_runs SET holder = %(holder)s,
  held_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE id = %(run)s AND (holder IS NULL OR holder = %(holder)s OR held_until < clock_timestamp())
"""
_HOLDS = "SELECT true FROM action_runs WHERE id = %(run)s AND holder = %(holder)s"
_ENTITIES = """
SELECT entity FROM action_runs WHERE NOT is_over UNION SELECT entity FROM episodes
WHERE closed_ns IS NULL AND EXISTS (SELECT 1 FROM objects WHERE kind = %(kind)s)
ORDER BY 1
"""
_STARTS = """
SELECT entity, started_ns FROM action_runs
WHERE action_entity = %(pattern)s AND action_name = %(name)s AND started_ns > 0
  AND (started_ns > %(since)s OR entity = %(entity)s) ORDER BY started_ns
"""
_HEARD = """
SELECT max(last_received_ns) FROM series
WHERE entity = %(entity)s AND summary = ANY(%(summaries)s::text[])
"""
_ADD = """
INSERT INTO action_runs (key, entity, episode, action_entity, action_name, number, definition, state,
                         is_over)
VALUES (%(key)s, %(entity)s, %(episode)s, %(pattern)s, %(name)s, %(number)s, %(definition)s, %(state)s,
        false) RETURNING id
"""
_ADD_TURN = """
INSERT INTO action_turns (entity, run, state, at_ns, author, reason)
VALUES (%(entity)s, %(run)s, %(state)s, %(at)s, %(author)s, %(reason)s) RETURNING id
"""
_SAVE = """
UPDATE action_runs SET state = %(state)s, is_over = %(is_over)s, definition = %(definition)s,
  held_by = '', started_ns = CASE WHEN started_ns = 0 AND %(is_start)s THEN %(at)s ELSE started_ns END
WHERE id = %(run)s
"""
_HELD_BY = """
UPDATE action_runs SET held_by = %(reason)s WHERE id = %(run)s AND held_by <> %(reason)s
"""
_COUNT = """
UPDATE action_runs SET attempts = attempts + 1, not_before_ns = %(not_before)s,
  last_failure = COALESCE(%(failure)s, last_failure) WHERE id = %(run)s
"""
_ATTEMPT = """
INSERT INTO attempts (channel, key, at_ns, outcome, reason)
VALUES (%(channel)s, %(key)s, %(now)s, %(outcome)s, %(reason)s)
"""
_FORGET = "DELETE FROM attempts WHERE channel = %(channel)s AND at_ns < %(before)s"


def read_runs(session: Session, question: RunQuestion) -> list[Run]:
    """Read runs with their turns, newest first, at most `MOST_RUNS`."""
    rows = session.rows(
        _RUNS,
        {
            **question._asdict(),
            "episodes": as_array(question.episodes),
            "among": as_array(question.among),
            "limit": MOST_RUNS,
        },
    )
    turns: dict[int, list[RunTurn]] = {}
    for run, *turn in session.rows(_TURNS, {"runs": [row[0] for row in rows]}):
        turns.setdefault(run, []).append(run_turn_of(turn))
    return [run_of(row, turns.get(row[0], ())) for row in rows]


def read_turn(session: Session, turn: int) -> tuple[Run, RunTurn]:
    """Read a turn and its run."""
    ((run, *found),) = session.rows(_TURN, {"id": turn})
    return read_runs(session, RunQuestion(run=run))[0], run_turn_of(found)


class Actions:
    """Makes, advances and lists runs.

    Args:
        database: Database that holds them.
        queue: Queue of notifications.
    """

    def __init__(self, database: Database, queue: Queue) -> None:
        self._database = database
        self._queue = queue
        self._holder = uuid.uuid4().hex

    def entities(self) -> list[str]:
        """Return the entities that have a run under way, or an open episode while actions exist."""
        rows = self._database.read(lambda session: session.rows(_ENTITIES, {"kind": KIND}))
        return [entity for (entity,) in rows]

    def step(self, entity: str, performance: Mapping[str, float], now_ns: int) -> int:
        """Make and advance the runs of *entity*; return the number of queued messages."""
        return self._database.write(
            lambda session: Steps(self._tables(session), now_ns, performance).advance(entity)
        )

    def take(self, now_ns: int) -> Run | None:
        """Return the next run to send; None if there is none."""
        return self._database.write(lambda session: Steps(self._tables(session), now_ns).take())

    def answered(self, run: Run, reply: Reply, now_ns: int) -> int:
        """Record an attempt to send *run*; return the number of queued messages."""
        return self._database.write(
            lambda session: Steps(self._tables(session), now_ns).answered(run, reply)
        )

    def judge(self, run: int, verdict: Verdict, now_ns: int) -> Run:
        """Record the approval or the refusal of a run."""
        return self._database.write(
            lambda session: Steps(self._tables(session), now_ns).judge(run, verdict)
        )

    def start(self, entity: str, episode: int, name: str, verdict: Verdict, now_ns: int) -> Run:
        """Start an action for an open episode, because a person wants it."""
        return self._database.write(
            lambda session: Steps(self._tables(session), now_ns).start(
                entity, episode, name, verdict
            )
        )

    def runs(self, question: RunQuestion = EVERY_RUN) -> list[Run]:
        """List runs with their turns, newest first."""
        return self._database.read(lambda session: read_runs(session, question))

    def _tables(self, session: Session) -> "_Tables":
        return _Tables(session, self._queue, self._holder)


class _Tables:
    """The rows of runs inside one transaction."""

    def __init__(self, session: Session, queue: Queue, holder: str) -> None:
        self._session = session
        self._queue = queue
        self._holder = holder

    def lock(self) -> None:
        """Wait until no other transaction changes runs."""
        self._session.rows(_LOCK)

    def actions(self) -> DeclaredActions:
        """Return all declared actions."""
        rows = self._session.rows(_ACTIONS, {"kind": KIND})
        return DeclaredActions.of((pattern, name, text) for pattern, name, text in rows)

    def targets(self) -> dict[str, str]:
        """Return the stored text of each target by name."""
        return dict(self._session.rows("SELECT name, payload FROM targets", {}))

    def episodes(self, entity: str) -> list[EpisodeRecord]:
        """Return the open episodes of *entity* and those of its runs that are not over."""
        found = read_episodes(self._session, entity, is_open=True, episode=None)
        known = {one.id for one in found}
        for (episode,) in self._session.rows(_EPISODES, {"entity": entity}):
            if episode not in known:
                found += read_episodes(self._session, entity, is_open=None, episode=episode)
        return found

    def runs(self, question: RunQuestion) -> list[Run]:
        """List runs, newest first."""
        return read_runs(self._session, question)

    def to_send(self, now_ns: int) -> list[tuple[str, int]]:
        """List entity and id of the runs that may be sent now, oldest first."""
        rows = self._session.rows(
            _TO_SEND, {"now": now_ns, "most_wait": MOST_WAIT_NS, "holder": self._holder}
        )
        return [(entity, run) for entity, run in rows]

    def hold(self, run: Run) -> bool:
        """Keep a run for this collector; return False if another one has it."""
        seconds = RUN_LEASE_SECONDS
        asked = {"run": run.id, "holder": self._holder, "seconds": seconds}
        return self._session.execute(_HOLD, asked) == 1

    def holds(self, run: Run) -> bool:
        """Return whether this collector still has a run."""
        return self._session.row(_HOLDS, {"run": run.id, "holder": self._holder}) is not None

    def started(
        self, action: ActionDefinition, entity: str, since_ns: int
    ) -> tuple[int, list[int]]:
        """Return the newest start of an action for *entity*, and all its starts after a time."""
        asked = {
            "pattern": action.entity,
            "name": action.name,
            "since": since_ns,
            "entity": entity,
        }
        rows = self._session.rows(_STARTS, asked)
        newest_ns = max((at_ns for name, at_ns in rows if name == entity), default=0)
        return newest_ns, [at_ns for _, at_ns in rows if at_ns > since_ns]

    def heard_ns(self, entity: str, summaries: Sequence[str]) -> int:
        """Return when the newest sample of these summaries arrived; 0 without any."""
        ((at_ns,),) = self._session.rows(_HEARD, {"entity": entity, "summaries": list(summaries)})
        return at_ns or 0

    def add(self, run: Run) -> Run:
        """Store a new run and its turns; return it with its id."""
        action = run.action
        ((identity,),) = self._session.rows(
            _ADD,
            {
                "key": run.key,
                "entity": run.entity,
                "episode": run.episode,
                "pattern": action.entity,
                "name": action.name,
                "number": run.number,
                "definition": definition_text(action),
                "state": run.state.value,
            },
        )
        for turn in run.turns:
            self._add_turn(run.entity, identity, turn)
        return read_runs(self._session, RunQuestion(run=identity))[0]

    def turn(self, run: Run, turn: RunTurn) -> int:
        """Store a turn and the state of *run* after it; return the id of the turn."""
        self._session.execute(
            _SAVE,
            {
                "run": run.id,
                "state": run.state.value,
                "is_over": run.state.is_over,
                "definition": definition_text(run.action),
                "is_start": run.state.is_start,
                "at": turn.at_ns,
            },
        )
        return self._add_turn(run.entity, run.id, turn)

    def held_by(self, run: Run, reason: str) -> None:
        """Store what a waiting run waits for."""
        self._session.execute(_HELD_BY, {"run": run.id, "reason": reason})

    def attempted(self, run: Run, reply: Reply, now_ns: int) -> None:
        """Store an attempt to send a run."""
        failure, channel = failure_of(reply), channel_of(run)
        not_before = not_before_ns(reply, now_ns)
        self._session.execute(_COUNT, {"run": run.id, "not_before": not_before, "failure": failure})
        attempt = {"key": run.key, "outcome": reply.outcome, "reason": failure or ""}
        self._session.execute(_ATTEMPT, {**attempt, "channel": channel, "now": now_ns})
        before_ns = now_ns - ATTEMPTS_KEPT_SECONDS * NANOSECONDS
        self._session.execute(_FORGET, {"channel": channel, "before": before_ns})

    def tell(self, run: Run, turn: int, now_ns: int) -> int:
        """Queue the messages about a turn; return their number."""
        escalate_to = run.action.escalate_to if run.state.is_escalated else ""
        return self._queue.tell_action(
            self._session, run.entity, run.episode, turn, escalate_to, now_ns
        )

    def _add_turn(self, entity: str, run: int, turn: RunTurn) -> int:
        ((identity,),) = self._session.rows(
            _ADD_TURN,
            {
                "entity": entity,
                "run": run,
                "state": turn.state.value,
                "at": turn.at_ns,
                "author": turn.author,
                "reason": turn.reason,
            },
        )
        return int(identity)
