"""Reads episodes with their history, parts and decisions from SQLite."""

from collections.abc import Collection

from nilometer.values.labels import ByKey
from nilometer_collector.alerting.decisions import Decision
from nilometer_collector.store import label_text
from nilometer_collector.store.alerting_verbs import MOST_EPISODES
from nilometer_collector.store.records import EpisodeRecord, PartRecord, TransitionRecord
from nilometer_collector.store.rows import decision_of, episode_of, part_of, transition_of
from nilometer_collector.store.sqlite.database import Database, in_json

# Whether labels have one of the values of each key; ?6 is an object of lists of values by key.
_HAS_LABELS = """
NOT EXISTS (SELECT 1 FROM json_each(?6) f WHERE NOT EXISTS
  (SELECT 1 FROM json_each({labels}) l
   WHERE l.key = f.key AND l.value IN (SELECT value FROM json_each(f.value))))
"""
_EPISODES = f"""
SELECT id, summary, labels, alerter_payload, opened_ns, closed_ns, worst, reference_digest, evidence,
       since_ns, worst_ns, number
FROM episodes WHERE (?1 IS NULL OR entity = ?1) AND (?2 IS NULL OR (closed_ns IS NULL) = ?2)
  AND (?3 IS NULL OR id = ?3) AND (?5 IS NULL OR entity IN (SELECT value FROM json_each(?5)))
  AND (?6 IS NULL OR {_HAS_LABELS.format(labels="episodes.labels")} OR EXISTS
    (SELECT 1 FROM episode_parts p WHERE p.episode = episodes.id
     AND {_HAS_LABELS.format(labels="p.labels")}))
ORDER BY opened_ns DESC, id DESC LIMIT ?4
"""  # noqa: S608
_OPENINGS = (
    "SELECT alerter, count(*) FROM episodes WHERE entity = ? AND opened_ns >= ? GROUP BY alerter"
)
_TRANSITIONS = (
    "SELECT status, at_ns, window_start_ns, recorded_ns, value, evidence, reference_digest, "
    "alerter_payload FROM transitions WHERE "
)
_PARTS = """
SELECT summary, labels, component, direction, onset_ns, opened_ns, closed_ns, effect, bound,
       tolerance, unit, severity, evidence, ended
FROM episode_parts WHERE episode = ? ORDER BY opened_ns, summary, labels
"""
_DECISIONS = """
SELECT episode, kind, author, reason, made_ns, until_ns, summary, labels, pending, lapsed, link, declared
FROM decisions WHERE episode IN (SELECT value FROM json_each(?)) ORDER BY id
"""


def read_episodes(
    database: Database,
    entity: str | None = None,
    *,
    is_open: bool | None = None,
    episode: int | None = None,
    among: Collection[str] | None = None,
    labels: ByKey = (),
) -> list[EpisodeRecord]:
    """Read episodes with their history, newest first, at most `MOST_EPISODES`."""
    opened = None if is_open is None else int(is_open)
    filtered = (in_json(among), label_text.filter_text(labels))
    asked = (entity, opened, episode, MOST_EPISODES, *filtered)
    return [
        episode_of(
            row,
            _transitions(database, row[0]),
            _parts(database, row[0]),
            read_decisions(database, row[0]),
        )
        for row in database.rows(_EPISODES, asked)
    ]


def count_openings(database: Database, entity: str, since_ns: int) -> dict[str, int]:
    """Count the episodes of *entity* that opened since *since_ns*, by name of their alerter."""
    return {str(name): int(found) for name, found in database.rows(_OPENINGS, (entity, since_ns))}


def read_decisions(database: Database, episode: int) -> list[Decision]:
    """Read the decisions about an episode, oldest first."""
    return decisions_by_episode(database, [episode])[episode]


def decisions_by_episode(
    database: Database, episodes: Collection[int]
) -> dict[int, list[Decision]]:
    """Read the decisions about each of *episodes*, oldest first, in one query."""
    found: dict[int, list[Decision]] = {episode: [] for episode in episodes}
    for episode, *row in database.rows(_DECISIONS, (in_json(episodes),)):
        found[episode].append(decision_of(row))
    return found


def read_transition(database: Database, transition: int) -> TransitionRecord:
    """Read the opening or closing with this id."""
    ((*row,),) = database.rows(_TRANSITIONS + "id = ?", (transition,))
    return transition_of(row)


def _transitions(database: Database, episode: int) -> list[TransitionRecord]:
    rows = database.rows(_TRANSITIONS + "episode = ? ORDER BY id", (episode,))
    return [transition_of(row) for row in rows]


def _parts(database: Database, episode: int) -> list[PartRecord]:
    return [part_of(row) for row in database.rows(_PARTS, (episode,))]
