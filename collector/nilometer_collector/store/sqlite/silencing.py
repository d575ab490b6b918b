"""Silences episodes in SQLite as users have declared. Every function runs inside a transaction."""

from collections.abc import Collection, Sequence

from nilometer.values.labels import Labels
from nilometer_collector.alerting.decisions import Decision
from nilometer_collector.alerting.silences import KIND
from nilometer_collector.store import label_text
from nilometer_collector.store.silencing import DeclaredSilences, KnownEpisode, decisions_due
from nilometer_collector.store.sqlite.database import Database, in_json
from nilometer_collector.store.sqlite.episodes import decisions_by_episode
from nilometer_collector.store.texts import storable

_DECLARED = """
SELECT o.content,
       (SELECT r.author FROM changes c JOIN revisions r ON r.id = c.revision
        WHERE c.kind = o.kind AND c.entity = o.entity AND c.name = o.name
        ORDER BY c.revision DESC LIMIT 1)
FROM objects o WHERE o.kind = ? ORDER BY o.entity, o.name
"""
_OPEN = "SELECT id, entity FROM episodes WHERE closed_ns IS NULL"
_HELD = """
SELECT DISTINCT e.id FROM decisions d JOIN episodes e ON e.id = d.episode
WHERE d.declared <> '' AND d.until_ns > ? AND e.closed_ns IS NULL
"""
# The open parts of an episode of the default alerter; what an episode of another alerter is about.
_PARTS = """
SELECT e.id, e.entity, coalesce(p.summary, e.summary), coalesce(p.labels, e.labels)
FROM episodes e LEFT JOIN episode_parts p ON p.episode = e.id AND p.closed_ns IS NULL
WHERE e.id IN (SELECT value FROM json_each(?)) ORDER BY e.id
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


def silence(database: Database, episode: int, declared: DeclaredSilences) -> list[Decision]:
    """Add the decisions that *declared* silences make about an open episode; return them."""
    known = _read(database, [episode])
    return [made for _, made in _add_due(database, known, declared.of(known[0].entity))]


def silence_all(database: Database, declared: DeclaredSilences) -> list[tuple[int, Decision]]:
    """Add the decisions that *declared* silences make about open episodes; return both.

    Only episodes for whose entity one may hold, and those for which one has held, are read.
    """
    found = {int(episode) for (episode,) in database.rows(_HELD, (declared.now_ns,))}
    if declared.ends_ns:
        found.update(one for one, entity in database.rows(_OPEN) if declared.may_cover(entity))
    return _add_due(database, _read(database, sorted(found)), declared)


def read_declared(database: Database, now_ns: int) -> DeclaredSilences:
    """Read the declared silences, and those that hold at *now_ns*."""
    return DeclaredSilences(database.rows(_DECLARED, (KIND,)), now_ns)


def _add_due(
    database: Database, episodes: Sequence[KnownEpisode], declared: DeclaredSilences
) -> list[tuple[int, Decision]]:
    due = [(one, decision) for one in episodes for decision in decisions_due(declared, one)]
    for one, decision in due:
        add_decision(database, one.entity, one.id, decision)
    return [(one.id, decision) for one, decision in due]


def _read(database: Database, episodes: Collection[int]) -> list[KnownEpisode]:
    """Read what declared silences look at in *episodes*, in one query for each table."""
    if not episodes:
        return []
    decisions = decisions_by_episode(database, episodes)
    entities: dict[int, str] = {}
    parts: dict[int, list[tuple[str, Labels]]] = {}
    for episode, entity, summary, labels in database.rows(_PARTS, (in_json(episodes),)):
        entities[episode] = entity
        parts.setdefault(episode, []).append((summary, label_text.from_text(labels)))
    return [KnownEpisode(entities[one], one, parts[one], decisions[one]) for one in parts]
