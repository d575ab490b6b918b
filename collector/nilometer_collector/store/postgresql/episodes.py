"""Reads episodes with their history, parts and decisions from PostgreSQL."""

from collections.abc import Collection

from nilometer.values.labels import ByKey
from nilometer_collector.alerting.decisions import Decision
from nilometer_collector.store import label_text
from nilometer_collector.store.alerting_verbs import MOST_EPISODES
from nilometer_collector.store.postgresql.arrays import as_array
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.records import EpisodeRecord, PartRecord, TransitionRecord
from nilometer_collector.store.rows import decision_of, episode_of, part_of, transition_of

# Whether labels have one of the values of each key; `allowed` is an object of lists of values by key.
_HAS_LABELS = """
NOT EXISTS (SELECT 1 FROM jsonb_each(%(allowed)s::jsonb) f
  WHERE NOT COALESCE(f.value ? ({labels}::jsonb ->> f.key), false))
"""
_EPISODES = f"""
SELECT e.entity, e.id, j.summary, j.labels_text, e.alerter_payload, e.opened_ns, e.closed_ns, e.worst,
       e.reference_digest, e.evidence, e.since_ns, e.worst_ns, e.number
FROM episodes e JOIN judged j ON j.entity = e.entity AND j.id = e.judged
WHERE (%(entity)s::text IS NULL OR e.entity = %(entity)s)
  AND (%(open)s::boolean IS NULL OR (e.closed_ns IS NULL) = %(open)s)
  AND (%(episode)s::bigint IS NULL OR e.id = %(episode)s)
  AND (%(among)s::text[] IS NULL OR e.entity = ANY(%(among)s))
  AND (%(allowed)s::text IS NULL OR {_HAS_LABELS.format(labels="j.labels_text")} OR EXISTS
    (SELECT 1 FROM episode_parts p WHERE p.entity = e.entity AND p.episode = e.id
     AND {_HAS_LABELS.format(labels="p.labels_text")}))
ORDER BY e.opened_ns DESC, e.id DESC LIMIT %(limit)s
"""  # noqa: S608
_OPENINGS = """
SELECT j.alerter, count(*) FROM episodes e JOIN judged j ON j.entity = e.entity AND j.id = e.judged
WHERE e.entity = %(entity)s AND e.opened_ns >= %(since)s GROUP BY j.alerter
"""
_TRANSITIONS = """
SELECT episode, status, at_ns, window_start_ns, recorded_ns, value, evidence, reference_digest,
       alerter_payload
FROM transitions WHERE entity = ANY(%(entities)s::text[]) AND episode = ANY(%(episodes)s::bigint[])
ORDER BY id
"""
_PARTS = """
SELECT episode, summary, labels_text, component, direction, onset_ns, opened_ns, closed_ns, effect,
       bound, tolerance, unit, severity, evidence, ended
FROM episode_parts WHERE entity = ANY(%(entities)s::text[]) AND episode = ANY(%(episodes)s::bigint[])
ORDER BY opened_ns, summary, labels_text
"""
_DECISIONS = """
SELECT episode, kind, author, reason, made_ns, until_ns, summary, labels_text, pending,
       lapsed, link, declared
FROM decisions WHERE entity = ANY(%(entities)s::text[]) AND episode = ANY(%(episodes)s::bigint[])
ORDER BY id
"""
_TRANSITION = """
SELECT status, at_ns, window_start_ns, recorded_ns, value, evidence, reference_digest,
       alerter_payload
FROM transitions WHERE entity = %(entity)s AND id = %(id)s
"""


def read_episodes(
    session: Session,
    entity: str | None,
    *,
    is_open: bool | None,
    episode: int | None,
    among: Collection[str] | None = None,
    labels: ByKey = (),
) -> list[EpisodeRecord]:
    """Read episodes with their history, newest first, at most `MOST_EPISODES`."""
    asked = {
        "entity": entity,
        "open": is_open,
        "episode": episode,
        "among": as_array(among),
        "allowed": label_text.filter_text(labels),
        "limit": MOST_EPISODES,
    }
    rows = session.rows(_EPISODES, asked)
    history: dict[int, list[TransitionRecord]] = {}
    of_rows = chosen([(row[0], row[1]) for row in rows])
    for row in session.rows(_TRANSITIONS, of_rows):
        history.setdefault(row[0], []).append(transition_of(row[1:]))
    parts: dict[int, list[PartRecord]] = {}
    for row in session.rows(_PARTS, of_rows):
        parts.setdefault(row[0], []).append(part_of(row[1:]))
    decisions = decisions_by_episode(session, [(row[0], row[1]) for row in rows])
    return [
        episode_of(
            row[1:],
            history.get(row[1], ()),
            parts.get(row[1], ()),
            decisions[row[1]],
        )
        for row in rows
    ]


def count_openings(session: Session, entity: str, since_ns: int) -> dict[str, int]:
    """Count the episodes of *entity* that opened since *since_ns*, by name of their alerter."""
    rows = session.rows(_OPENINGS, {"entity": entity, "since": since_ns})
    return {str(name): int(found) for name, found in rows}


def read_decisions(session: Session, entity: str, episode: int) -> list[Decision]:
    """Read the decisions about an episode, oldest first."""
    return decisions_by_episode(session, [(entity, episode)])[episode]


def decisions_by_episode(
    session: Session, episodes: Collection[tuple[str, int]]
) -> dict[int, list[Decision]]:
    """Read the decisions about each of *episodes* of entity and id, oldest first, in one query."""
    found: dict[int, list[Decision]] = {episode: [] for _, episode in episodes}
    for row in session.rows(_DECISIONS, chosen(episodes)):
        found[row[0]].append(decision_of(row[1:]))
    return found


def chosen(episodes: Collection[tuple[str, int]]) -> dict[str, object]:
    """Return the parameters of a query for *episodes* of entity and id."""
    entities = sorted({entity for entity, _ in episodes})
    return {"entities": entities, "episodes": [episode for _, episode in episodes]}


def read_transition(session: Session, entity: str, transition: int) -> TransitionRecord:
    """Read the opening or closing with this id."""
    (row,) = session.rows(_TRANSITION, {"entity": entity, "id": transition})
    return transition_of(row)
