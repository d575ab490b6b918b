"""Silences episodes in SQLite as users have declared. Every function runs inside a transaction."""

from collections.abc import Sequence

from nilometer_collector.alerting.decisions import Decision
from nilometer_collector.alerting.silences import KIND
from nilometer_collector.store import label_text
from nilometer_collector.store.silencing import DeclaredSilence, decisions_due, declared_silences
from nilometer_collector.store.sqlite.database import Database
from nilometer_collector.store.sqlite.episodes import read_decisions
from nilometer_collector.store.texts import storable

_DECLARED = """
SELECT o.content,
       (SELECT r.author FROM changes c JOIN revisions r ON r.id = c.revision
        WHERE c.kind = o.kind AND c.entity = o.entity AND c.name = o.name
        ORDER BY c.revision DESC LIMIT 1)
FROM objects o WHERE o.kind = ? ORDER BY o.entity, o.name
"""
_IS_HELD = "SELECT 1 FROM decisions WHERE declared <> '' AND until_ns > ? LIMIT 1"
# The open parts of an episode of the default alerter; what an episode of another alerter is about.
_PARTS = """
SELECT e.entity, coalesce(p.summary, e.summary), coalesce(p.labels, e.labels)
FROM episodes e LEFT JOIN episode_parts p ON p.episode = e.id AND p.closed_ns IS NULL
WHERE e.id = ?
"""
_ADD = """
INSERT INTO decisions (entity, episode, kind, author, reason, made_ns, until_ns, summary, labels,
                       pending, link, declared)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def add_decision(database: Database, entity: str, episode: int, decision: Decision) -> None:
    """Add a decision about an episode."""
    database.execute(
        _ADD,
        (
            entity,
            episode,
            decision.kind.value,
            storable(decision.author),
            storable(decision.reason),
            decision.made_ns,
            decision.until_ns,
            decision.summary,
            label_text.to_text(decision.labels),
            int(decision.is_pending),
            decision.link,
            decision.declared,
        ),
    )


def silence(
    database: Database, episode: int, now_ns: int, declared: Sequence[DeclaredSilence]
) -> list[Decision]:
    """Add the decisions that *declared* silences make about an open episode; return them."""
    known = read_decisions(database, episode)
    if not declared and not any(one.declared for one in known):
        return []
    rows = database.rows(_PARTS, (episode,))
    parts = [(summary, label_text.from_text(labels)) for _, summary, labels in rows]
    entity = rows[0][0]
    due = decisions_due(declared, entity, parts, known, now_ns)
    for decision in due:
        add_decision(database, entity, episode, decision)
    return due


def read_declared(database: Database) -> list[DeclaredSilence]:
    """Read all declared silences."""
    return declared_silences((text, author) for text, author in database.rows(_DECLARED, (KIND,)))


def episodes_due(database: Database, declared: Sequence[DeclaredSilence], now_ns: int) -> list[int]:
    """Return the open episodes, if a declared silence may hold for one or has held for one."""
    if not declared and not database.rows(_IS_HELD, (now_ns,)):
        return []
    rows = database.rows("SELECT id FROM episodes WHERE closed_ns IS NULL ORDER BY id")
    return [int(episode) for (episode,) in rows]
