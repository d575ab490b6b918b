"""Judges the evaluations of one shipment in PostgreSQL: locks, loads, judges and saves.

The row of each (entity, alerter, summary, labels) is locked, so collectors judge it one by one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nilometer.alert import AlertStatus, EpisodeState, Evaluation
from nilometer_collector.alerting.episodes import Opened, OpenEpisode, Others, Standing, judge
from nilometer_collector.store import label_text
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.postgresql.turns import Turns
from nilometer_collector.store.rows import open_episode_of, state_of
from nilometer_collector.store.texts import storable

_FIND = """
SELECT judged.id, asked.number
FROM unnest(%(entities)s::text[], %(alerters)s::text[], %(summaries)s::text[], %(digests)s::bytea[])
     WITH ORDINALITY AS asked (entity, alerter, summary, digest, number)
JOIN judged ON judged.entity = asked.entity AND judged.alerter = asked.alerter
           AND judged.summary = asked.summary AND judged.labels_digest = asked.digest
"""
_CREATE = """
INSERT INTO judged (entity, alerter, summary, labels_text, labels_digest)
SELECT * FROM unnest(%(entities)s::text[], %(alerters)s::text[], %(summaries)s::text[],
                     %(labels)s::text[], %(digests)s::bytea[])
       AS new (entity, alerter, summary, labels, digest)
ORDER BY entity COLLATE "C", alerter COLLATE "C", summary COLLATE "C", digest
ON CONFLICT (entity, alerter, summary, labels_digest) DO NOTHING
"""
# The deletion of an alerter locks the alerter's row first. So it sees the new rows of `judged`, or
# they see the deletion.
_SHARE = """
SELECT name FROM alerters JOIN unnest(%(entities)s::text[], %(alerters)s::text[])
       AS asked (entity, alerter) ON alerters.entity = asked.entity AND name = asked.alerter
ORDER BY alerters.entity, name FOR SHARE OF alerters
"""
_LOCK = """
SELECT id, quiet_until_ns FROM judged WHERE entity = ANY(%(entities)s::text[]) AND id = ANY(%(ids)s::bigint[])
ORDER BY id FOR UPDATE
"""
_LOUD = "UPDATE judged SET quiet_until_ns = 0 WHERE entity = %(entity)s AND id = %(id)s"
_DELETED = """
SELECT DISTINCT alerters.entity, name FROM alerters
JOIN unnest(%(entities)s::text[], %(alerters)s::text[]) AS asked (entity, alerter)
     ON alerters.entity = asked.entity AND name = asked.alerter
WHERE deleted
"""
_STATES = """
SELECT judged, status, breaches, fines, since_ns, last_end_ns, reason, sentence, value, value_end_ns
FROM alert_states
WHERE entity = ANY(%(entities)s::text[]) AND judged = ANY(%(ids)s::bigint[]) AND agent = %(agent)s
"""
_OTHERS = """
SELECT judged, max(received_ns), max(last_end_ns) FROM alert_states
WHERE entity = ANY(%(entities)s::text[]) AND judged = ANY(%(ids)s::bigint[])
  AND agent <> %(agent)s AND status = %(status)s
GROUP BY judged
"""
# An earlier episode is about the same breaches if they overlap, and another agent has judged later
# windows.
_HAS_TOLD = """
SELECT EXISTS (SELECT 1 FROM alert_states WHERE entity = %(entity)s AND judged = %(judged)s
               AND agent <> %(agent)s AND last_end_ns > %(end)s)
   AND EXISTS (SELECT 1 FROM episodes WHERE entity = %(entity)s AND judged = %(judged)s
               AND since_ns < %(end)s AND closed_ns > %(since)s)
"""
_OPEN = """
SELECT judged, id, opened_ns, worst, alerter_payload FROM episodes
WHERE entity = ANY(%(entities)s::text[]) AND judged = ANY(%(ids)s::bigint[]) AND closed_ns IS NULL
"""
_SAVE = """
INSERT INTO alert_states (entity, judged, agent, status, breaches, fines, since_ns, last_end_ns,
                          received_ns, reason, sentence, value, value_end_ns)
SELECT entity, judged, %(agent)s, status, breaches, fines, since_ns, last_end_ns, %(now)s, reason,
       sentence, value, value_end_ns
FROM unnest(%(entities)s::text[], %(ids)s::bigint[], %(statuses)s::text[], %(breaches)s::bigint[],
            %(fines)s::bigint[], %(since)s::bigint[], %(last)s::bigint[], %(reasons)s::text[],
            %(sentences)s::text[], %(values)s::double precision[], %(measured)s::bigint[])
     AS new (entity, judged, status, breaches, fines, since_ns, last_end_ns, reason, sentence, value,
             value_end_ns)
ON CONFLICT (entity, judged, agent) DO UPDATE SET
  status = excluded.status, breaches = excluded.breaches, fines = excluded.fines,
  since_ns = excluded.since_ns, last_end_ns = excluded.last_end_ns,
  received_ns = excluded.received_ns, reason = excluded.reason, sentence = excluded.sentence,
  value = excluded.value, value_end_ns = excluded.value_end_ns
"""


class _Key(NamedTuple):
    entity: str
    alerter: str
    summary: str
    labels: str  # as text


@dataclass(slots=True)
class _Loaded:
    """The current state of one key in the transaction."""

    id: int
    agent: EpisodeState
    episode: OpenEpisode | None
    alerting_heard_ns: int | None
    alerting_end_ns: int | None
    is_deleted: bool
    quiet_until_ns: int
    is_changed: bool = False


class Judging:
    """Judges evaluations inside a transaction.

    Args:
        turns: Writer for changes of episodes.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def judge(
        self, session: Session, evaluations: Sequence[Evaluation], agent: str, now_ns: int
    ) -> int:
        """Apply *evaluations* of *agent* in order; return the number of queued deliveries."""
        if not evaluations:
            return 0
        keys = [_key(evaluation) for evaluation in evaluations]
        loaded = _load(session, list(dict.fromkeys(keys)), agent)
        notices = 0
        for key, evaluation in zip(keys, evaluations, strict=True):
            one = loaded[key]
            if one.is_deleted:
                continue
            others = Others(
                alerting_heard_ns=one.alerting_heard_ns,
                alerting_end_ns=one.alerting_end_ns,
                now_ns=now_ns,
            )
            standing = Standing(
                agent=one.agent, episode=one.episode, quiet_until_ns=one.quiet_until_ns
            )
            changes = judge(standing, evaluation, others)
            if changes.ends_quiet:
                one.quiet_until_ns = 0
                session.execute(_LOUD, {"entity": key.entity, "id": one.id})
            if changes.agent is not None:
                one.agent, one.is_changed = changes.agent, True
            change, end_ns = changes.episode, evaluation.window.end_ns
            if isinstance(change, Opened) and _has_told(
                session, key, one.id, agent, change, end_ns
            ):
                continue
            if change is not None:
                one.episode, queued = self._turns.apply(
                    session, key.entity, one.id, one.episode, change, now_ns
                )
                notices += queued
        _save(session, loaded, agent, now_ns)
        return notices


def _key(evaluation: Evaluation) -> _Key:
    alerter = evaluation.alerter
    labels = label_text.to_text(evaluation.labels)
    return _Key(alerter.entity, alerter.name, evaluation.summary, labels)


def _has_told(
    session: Session, key: _Key, judged: int, agent: str, change: Opened, end_ns: int
) -> bool:
    """Return whether an earlier episode is about the breaches of *change*, up to *end_ns*."""
    asked = {
        "entity": key.entity,
        "judged": judged,
        "agent": agent,
        "since": change.since_ns,
        "end": end_ns,
    }
    ((has_told,),) = session.rows(_HAS_TOLD, asked)
    return bool(has_told)


def _load(session: Session, keys: Sequence[_Key], agent: str) -> dict[_Key, _Loaded]:
    """Lock the rows of *keys*, and load the stored data about them."""
    asked: dict[str, object] = {
        "entities": [key.entity for key in keys],
        "alerters": [key.alerter for key in keys],
        "summaries": [key.summary for key in keys],
        "labels": [key.labels for key in keys],
        "digests": [label_text.digest(key.labels) for key in keys],
        "agent": agent,
        "status": AlertStatus.ALERTING.value,
    }
    found = session.rows(_FIND, asked)
    if len(found) < len(keys):
        session.execute(_CREATE, asked)
        session.rows(_SHARE, asked)
        found = session.rows(_FIND, asked)
    ids = {keys[number - 1]: identity for identity, number in found}
    asked["ids"] = list(ids.values())
    quiet = dict(session.rows(_LOCK, asked))
    # Each of these statements sees everything that was committed before the locks were taken.
    deleted = set(session.rows(_DELETED, asked))
    states = {row[0]: state_of(row[1:]) for row in session.rows(_STATES, asked)}
    others = {row[0]: row[1:] for row in session.rows(_OTHERS, asked)}
    episodes = {row[0]: open_episode_of(row[1:]) for row in session.rows(_OPEN, asked)}
    return {
        key: _Loaded(
            id=identity,
            agent=states.get(identity, EpisodeState()),
            episode=episodes.get(identity),
            alerting_heard_ns=others.get(identity, (None, None))[0],
            alerting_end_ns=others.get(identity, (None, None))[1],
            is_deleted=key[:2] in deleted,
            quiet_until_ns=quiet[identity],
        )
        for key, identity in ids.items()
    }


def _save(session: Session, loaded: Mapping[_Key, _Loaded], agent: str, now_ns: int) -> None:
    changed = [(key, one) for key, one in loaded.items() if one.is_changed]
    if not changed:
        return
    session.execute(
        _SAVE,
        {
            "entities": [key.entity for key, _ in changed],
            "ids": [one.id for _, one in changed],
            "agent": agent,
            "statuses": [one.agent.status.value for _, one in changed],
            "breaches": [one.agent.breaches for _, one in changed],
            "fines": [one.agent.fines for _, one in changed],
            "since": [one.agent.since_ns for _, one in changed],
            "last": [one.agent.last_end_ns for _, one in changed],
            "reasons": [one.agent.reason.value for _, one in changed],
            "sentences": [storable(one.agent.sentence) for _, one in changed],
            "values": [one.agent.value for _, one in changed],
            "measured": [one.agent.value_end_ns for _, one in changed],
            "now": now_ns,
        },
    )
