"""Silences episodes in PostgreSQL as users have declared. Every function runs inside a transaction."""

from collections.abc import Collection

from nilometer.values.labels import Labels
from nilometer_collector.alerting.decisions import Decision
from nilometer_collector.alerting.silences import KIND
from nilometer_collector.store import label_text
from nilometer_collector.store.postgresql.episodes import chosen, decisions_by_episode
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.silencing import DeclaredSilences, KnownEpisode, decisions_due
from nilometer_collector.store.texts import storable

_DECLARED = """
SELECT o.content,
       (SELECT r.author FROM changes c JOIN revisions r ON r.id = c.revision
        WHERE c.kind = o.kind AND c.entity = o.entity AND c.name = o.name
        ORDER BY c.revision DESC LIMIT 1)
FROM objects o WHERE o.kind = %(kind)s ORDER BY o.entity, o.name
"""
_OPEN = "SELECT entity, id FROM episodes WHERE closed_ns IS NULL"
_HELD = """
SELECT DISTINCT e.entity, e.id FROM decisions d
JOIN episodes e ON e.entity = d.entity AND e.id = d.episode
WHERE d.declared <> '' AND d.until_ns > %(now)s AND e.closed_ns IS NULL
"""
# The open parts of an episode of the default alerter; what an episode of another alerter is about.
_PARTS = """
SELECT e.entity, e.id, COALESCE(p.summary, j.summary), COALESCE(p.labels_text, j.labels_text)
FROM episodes e JOIN judged j ON j.entity = e.entity AND j.id = e.judged
LEFT JOIN episode_parts p ON p.entity = e.entity AND p.episode = e.id AND p.closed_ns IS NULL
WHERE e.entity = ANY(%(entities)s::text[]) AND e.id = ANY(%(episodes)s::bigint[])
ORDER BY e.entity, e.id
"""
# The judgement of evaluations locks the row of what an episode is about, and then the episode. The
# default alerter locks only the episode, and may change what it is about.
_LOCK_JUDGED = """
SELECT j.id FROM judged j JOIN episodes e ON e.entity = j.entity AND e.judged = j.id
WHERE e.entity = %(entity)s AND e.id = %(episode)s AND e.number IS NULL FOR UPDATE OF j
"""
_LOCK = "SELECT judged FROM episodes WHERE entity = %(entity)s AND id = %(episode)s FOR UPDATE"
_IS_OPEN = """
SELECT 1 FROM episodes WHERE entity = %(entity)s AND id = %(episode)s AND closed_ns IS NULL
"""
_ADD = """
INSERT INTO decisions (entity, episode, kind, author, reason, made_ns, until_ns, summary, labels_text,
                       pending, link, declared)
VALUES (%(entity)s, %(episode)s, %(kind)s, %(author)s, %(reason)s, %(made)s, %(until)s, %(summary)s,
        %(labels)s, %(pending)s, %(link)s, %(declared)s)
"""


def lock(session: Session, entity: str, episode: int) -> int | None:
    """Lock an episode, and return what it is about; None if it does not exist."""
    asked = {"entity": entity, "episode": episode}
    session.row(_LOCK_JUDGED, asked)
    found = session.row(_LOCK, asked)
    return None if found is None else int(found[0])


def lock_open(session: Session, entity: str, episode: int) -> bool:
    """Lock an episode, and return whether it is open."""
    asked = {"entity": entity, "episode": episode}
    return lock(session, entity, episode) is not None and session.row(_IS_OPEN, asked) is not None


def add_decision(session: Session, entity: str, episode: int, decision: Decision) -> None:
    """Add a decision about an episode."""
    session.execute(
        _ADD,
        {
            "entity": entity,
            "episode": episode,
            "kind": decision.kind.value,
            "author": storable(decision.author),
            "reason": storable(decision.reason),
            "made": decision.made_ns,
            "until": decision.until_ns,
            "summary": decision.summary,
            "labels": label_text.to_text(decision.labels),
            "pending": decision.is_pending,
            "link": decision.link,
            "declared": decision.declared,
        },
    )


def silence(
    session: Session, entity: str, episode: int, declared: DeclaredSilences
) -> list[Decision]:
    """Add the decisions that *declared* silences make about an open episode; return them."""
    due = [
        decision
        for one in _read(session, [(entity, episode)])
        for decision in decisions_due(declared.of(entity), one)
    ]
    for decision in due:
        add_decision(session, entity, episode, decision)
    return due


def read_declared(session: Session, now_ns: int) -> DeclaredSilences:
    """Read the declared silences, and those that hold at *now_ns*."""
    return DeclaredSilences(session.rows(_DECLARED, {"kind": KIND}), now_ns)


def episodes_due(session: Session, declared: DeclaredSilences) -> list[tuple[str, int]]:
    """Return entity and id of the open episodes about which *declared* silences make decisions.

    Only episodes for whose entity one may hold, and those for which one has held, are read.
    """
    found = set(session.rows(_HELD, {"now": declared.now_ns}))
    if declared.ends_ns:
        found.update(one for one in session.rows(_OPEN) if declared.may_cover(one[0]))
    known = _read(session, sorted(found))
    return [(one.entity, one.id) for one in known if decisions_due(declared, one)]


def _read(session: Session, episodes: Collection[tuple[str, int]]) -> list[KnownEpisode]:
    """Read what declared silences look at in *episodes*, in one query for each table."""
    if not episodes:
        return []
    decisions = decisions_by_episode(session, episodes)
    parts: dict[tuple[str, int], list[tuple[str, Labels]]] = {}
    for entity, episode, summary, labels in session.rows(_PARTS, chosen(episodes)):
        part = (summary, label_text.from_text(labels))
        parts.setdefault((entity, episode), []).append(part)
    return [KnownEpisode(*one, parts[one], decisions[one[1]]) for one in parts]
