"""Queues notifications in PostgreSQL, and holds them while their episode is silenced.

Every method runs inside a transaction.
"""

import uuid
from collections.abc import Mapping
from functools import partial

from nilometer.alert import AlertStatus, Severity
from nilometer.wire.alerts import stored_alerter_from_bytes
from nilometer_collector.access.workspaces import Workspaces
from nilometer_collector.alerting.decisions import Decision, DecisionKind, silence_of
from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.alerting.routes import RouteDefinition, Subject
from nilometer_collector.store import label_text
from nilometer_collector.store.composing import FLAPPING_NS
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.episodes import read_decisions
from nilometer_collector.store.postgresql.objects import Objects
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.postgresql.silencing import (
    episodes_due,
    lock_open,
    read_declared,
    silence,
)
from nilometer_collector.store.routing import (
    acknowledging,
    due_by_channel,
    names_of,
    telling_actions,
)
from nilometer_collector.store.silencing import DeclaredSilences, Settled

_ADD = """
INSERT INTO deliveries (entity, transition, channel, key, created_ns, attempts, held_until_ns, due_ns,
                        acknowledged, action_turn)
VALUES (%(entity)s, %(transition)s, %(channel)s, %(key)s, %(now)s, 0, %(until)s, %(due)s,
        %(acknowledged)s, %(action_turn)s)
"""
_QUEUED = """
SELECT 1 FROM deliveries WHERE channel = %(channel)s AND delivered_ns IS NULL
  AND refused_ns IS NULL AND withheld_ns IS NULL LIMIT 1
"""
# Deliveries of the openings of an episode that wait and have certainly not arrived.
_HOLD = """
UPDATE deliveries SET held_until_ns = %(until)s WHERE entity = %(entity)s AND transition IN
  (SELECT id FROM transitions WHERE entity = %(entity)s AND episode = %(episode)s
   AND status = %(status)s)
  AND NOT acknowledged AND NOT sealed
  AND delivered_ns IS NULL AND refused_ns IS NULL AND withheld_ns IS NULL
RETURNING channel
"""
_RELEASE = """
UPDATE deliveries d SET
  withheld_ns = CASE WHEN told.channel IS NULL THEN d.withheld_ns ELSE %(now)s END,
  held_until_ns = CASE WHEN told.channel IS NULL THEN %(now)s ELSE d.held_until_ns END
FROM deliveries w LEFT JOIN
  (SELECT DISTINCT o.channel FROM deliveries o
   JOIN transitions t ON t.entity = o.entity AND t.id = o.transition
   WHERE t.entity = %(entity)s AND t.episode = %(episode)s AND t.status = %(status)s
     AND NOT o.acknowledged AND (o.delivered_ns IS NOT NULL
       OR (o.sealed AND o.refused_ns IS NULL AND o.withheld_ns IS NULL))) told ON told.channel = w.channel
WHERE d.id = w.id AND w.entity = %(entity)s AND w.transition IN
  (SELECT id FROM transitions WHERE entity = %(entity)s AND episode = %(episode)s
   AND status = %(status)s)
  AND NOT w.acknowledged AND NOT w.sealed
  AND w.delivered_ns IS NULL AND w.refused_ns IS NULL AND w.withheld_ns IS NULL
  AND w.held_until_ns > %(now)s
"""
_GIVE_UP = """
UPDATE deliveries SET withheld_ns = %(now)s WHERE entity = %(entity)s AND transition IN
  (SELECT id FROM transitions WHERE entity = %(entity)s AND episode = %(episode)s
   AND status = %(status)s)
  AND NOT acknowledged AND NOT sealed
  AND delivered_ns IS NULL AND refused_ns IS NULL AND withheld_ns IS NULL
  AND GREATEST(held_until_ns, due_ns) > %(now)s
  AND GREATEST(held_until_ns, due_ns) >= %(least)s
  AND channel = COALESCE(%(channel)s::text, channel)
"""
_OPENINGS_OF = """
SELECT count(*), max(id) FROM transitions
WHERE entity = %(entity)s AND episode = %(episode)s AND status = %(status)s
"""
_TOLD = """
SELECT DISTINCT d.channel
FROM deliveries d JOIN transitions t ON t.entity = d.entity AND t.id = d.transition
WHERE t.entity = %(entity)s AND t.episode = %(episode)s AND t.status = %(status)s
  AND NOT d.acknowledged AND d.withheld_ns IS NULL
  AND (%(even_refused)s OR d.refused_ns IS NULL)
ORDER BY d.channel
"""
_TOLD_AT = """
SELECT d.channel, max(CASE WHEN d.delivered_ns IS NULL THEN GREATEST(d.held_until_ns, d.due_ns)
                      ELSE 0 END)
FROM deliveries d JOIN transitions t ON t.entity = d.entity AND t.id = d.transition
WHERE t.entity = %(entity)s AND t.episode = %(episode)s AND t.status = %(status)s
  AND NOT d.acknowledged AND d.withheld_ns IS NULL GROUP BY d.channel
"""
_SUBJECT = """
SELECT COALESCE(n.owner, ''), t.alerter_payload, j.labels_text
FROM transitions t JOIN episodes e ON e.entity = t.entity AND e.id = t.episode
JOIN judged j ON j.entity = e.entity AND j.id = e.judged
LEFT JOIN entities n ON n.name = t.entity AND NOT n.deleted
WHERE t.entity = %(entity)s AND t.id = %(transition)s
"""
# Episodes of the same that opened: of the entity's default alerter, or of an alerter's summary and
# label set. Their escalations are no openings.
RECENT_OPENINGS = """
SELECT count(*) FROM transitions t JOIN episodes e ON e.entity = t.entity AND e.id = t.episode
JOIN judged j ON j.entity = e.entity AND j.id = e.judged
JOIN episodes o ON o.entity = e.entity AND o.id = %(episode)s
JOIN judged k ON k.entity = o.entity AND k.id = o.judged
WHERE t.entity = %(entity)s AND j.alerter = k.alerter AND (o.number IS NOT NULL OR j.id = k.id)
  AND t.status = %(status)s AND t.recorded_ns > %(since)s AND t.recorded_ns <= %(now)s
  AND NOT EXISTS
    (SELECT 1 FROM transitions p WHERE p.entity = t.entity AND p.episode = t.episode
     AND p.status = t.status AND p.id < t.id)
"""


class Queue:
    """Queues the notifications of all channels.

    Args:
        own: Name of the channel that the collector has by its settings; empty for none.
        channels: Channels that users have defined.
        routes: Routes that users have defined.
        workspaces: Workspaces, whose channels are told of their own entities only.
    """

    def __init__(
        self,
        own: str,
        channels: Objects[ChannelDefinition],
        routes: Objects[RouteDefinition],
        workspaces: Workspaces,
    ) -> None:
        self._own = own
        self._channels = channels
        self._routes = routes
        self._workspaces = workspaces
        self._settled = Settled()

    def put(
        self,
        session: Session,
        entity: str,
        episode: int,
        transition: int,
        status: AlertStatus,
        now_ns: int,
    ) -> int:
        """Queue the notifications of *transition*; return how many can be delivered now.

        An opening is held while the episode is silenced, and outside the hours of its route. An
        escalation is an opening that gives up the opening before it if that would be sent later. A
        closing goes to the channels that were told of the opening.
        """
        is_opening = status is AlertStatus.ALERTING
        asked = _openings(entity, episode, now_ns)
        is_first = is_opening and _count_and_last(session, asked)[0] == 1
        if is_opening:
            made = silence(session, entity, episode, read_declared(session, now_ns))
            for decision in () if is_first else made:  # what waits since an earlier opening
                self.apply(session, entity, episode, decision)
        channels = names_of(self._channels.contents_in(session), self._own)
        if not channels:
            return 0
        add = _Addition(session, entity, now_ns)
        openings = 0
        if is_first:
            recent = {**asked, "since": now_ns - FLAPPING_NS}
            ((openings,),) = session.rows(RECENT_OPENINGS, recent)
        subject = _subject(session, entity, transition)
        routes = self._routes.contents_in(session)
        due = due_by_channel(channels, routes, subject, openings, now_ns, self._workspaces)
        if not is_opening:
            session.execute(_GIVE_UP, {**asked, "least": 0, "channel": None})
            told = [one for one in self._told(session, asked) if one in channels]
            for channel in told:
                add.run(transition, channel, due_ns=due.get(channel, 0))
            return len(told)
        until_ns = _silenced_until(session, entity, episode, now_ns)
        for channel, due_ns in due.items():
            least_ns = max(until_ns, due_ns)
            session.execute(_GIVE_UP, {**asked, "least": least_ns, "channel": channel})
            add.run(transition, channel, held_until_ns=until_ns, due_ns=due_ns)
        return sum(not until_ns and due_ns <= now_ns for due_ns in due.values())

    def apply(self, session: Session, entity: str, episode: int, decision: Decision) -> None:
        """Hold the opening of *episode* until its silence ends, end the silence, or acknowledge.

        If the opening was delivered before, it is delivered once more after the silence. A channel
        that is told of acknowledgements gets one after its opening. If its opening would be sent
        later, it gets neither.

        Args:
            session: Session in a transaction.
            entity: Entity of the episode.
            episode: Id of the episode.
            decision: Decision, which is stored already.
        """
        asked = _openings(entity, episode, decision.made_ns)
        add = _Addition(session, entity, decision.made_ns)
        until_ns = _silenced_until(session, entity, episode, decision.made_ns)
        is_silence = decision.kind in {DecisionKind.SILENCED, DecisionKind.UNSILENCED}
        if is_silence and until_ns:  # also if one of several silences ends
            told = set(self._told(session, asked))
            held = {channel for (channel,) in session.rows(_HOLD, {**asked, "until": until_ns})}
            for channel in sorted(told - held):
                _, transition = _count_and_last(session, asked)
                add.run(transition, channel, held_until_ns=until_ns)
        elif decision.kind is DecisionKind.UNSILENCED:
            session.execute(_RELEASE, asked)
        elif decision.kind is DecisionKind.ACKNOWLEDGED:
            asking = acknowledging(self._channels.contents_in(session))
            for channel in sorted(asking):
                session.execute(_GIVE_UP, {**asked, "least": 0, "channel": channel})
            for channel in sorted(
                asking.intersection(self._told(session, asked, even_refused=False))
            ):
                _, transition = _count_and_last(session, asked)
                add.run(transition, channel, acknowledged=True)

    def holds(self, session: Session, channel: str) -> bool:
        """Return whether a notification of *channel* is queued, also one that must wait."""
        return session.row(_QUEUED, {"channel": channel}) is not None

    def settle_silences(self, database: Database, now_ns: int) -> None:
        """Silence open episodes as users have declared, and end silences that hold no more.

        Each episode changes in a transaction of its own, so that no other one waits for long.
        """
        declared = database.read(lambda session: read_declared(session, now_ns))
        if self._settled.holds(declared):
            return
        due = database.read(lambda session: episodes_due(session, declared))
        for entity, episode in due:
            database.write(partial(self._settle, entity=entity, episode=episode, declared=declared))
        if not due:
            self._settled.remember(declared)

    def _settle(
        self, session: Session, *, entity: str, episode: int, declared: DeclaredSilences
    ) -> None:
        if lock_open(session, entity, episode):
            for decision in silence(session, entity, episode, declared):
                self.apply(session, entity, episode, decision)

    def tell_action(
        self,
        session: Session,
        entity: str,
        episode: int,
        turn: int,
        escalate_to: str,
        now_ns: int,
    ) -> int:
        """Queue the messages about a turn of an action; return their number.

        The channels that were or will be told of the episode get it, not before its opening. The
        channel *escalate_to* gets it, too, if it is for the entity; it may be empty.
        """
        telling = telling_actions(self._channels.contents_in(session), self._own)
        asked = _openings(entity, episode, now_ns)
        escalated = {escalate_to} if self._workspaces.serves(escalate_to, entity) else set()
        due = dict.fromkeys(escalated & telling, 0)
        for channel, due_ns in session.rows(_TOLD_AT, asked):
            if channel in telling and self._workspaces.serves(channel, entity):
                due.setdefault(channel, due_ns)
        add, (_, transition) = _Addition(session, entity, now_ns), _count_and_last(session, asked)
        for channel in sorted(due):
            add.run(transition, channel, due_ns=due[channel], acknowledged=True, action_turn=turn)
        return len(due)

    def _told(
        self, session: Session, asked: Mapping[str, object], *, even_refused: bool = True
    ) -> list[str]:
        """Return the channels that were or will be told of the opening, and still may be."""
        rows = session.rows(_TOLD, {**asked, "even_refused": even_refused})
        entity = str(asked["entity"])
        return [channel for (channel,) in rows if self._workspaces.serves(channel, entity)]


class _Addition:
    """Adds deliveries of one entity inside a transaction."""

    def __init__(self, session: Session, entity: str, now_ns: int) -> None:
        self._session = session
        self._known = {"entity": entity, "now": now_ns}

    def run(
        self,
        transition: int,
        channel: str,
        *,
        held_until_ns: int = 0,
        due_ns: int = 0,
        acknowledged: bool = False,
        action_turn: int | None = None,
    ) -> None:
        """Queue a transition for a channel."""
        self._session.execute(
            _ADD,
            {
                **self._known,
                "transition": transition,
                "channel": channel,
                "key": uuid.uuid4().hex,
                "until": held_until_ns,
                "due": due_ns,
                "acknowledged": acknowledged,
                "action_turn": action_turn,
            },
        )


def _silenced_until(session: Session, entity: str, episode: int, now_ns: int) -> int:
    """Return the end of the silence in force, Unix nanoseconds; 0 for none."""
    found = silence_of(read_decisions(session, entity, episode), now_ns)
    return (found and found.until_ns) or 0


def _openings(entity: str, episode: int, now_ns: int) -> dict[str, object]:
    status = AlertStatus.ALERTING.value
    return {"entity": entity, "episode": episode, "status": status, "now": now_ns}


def _count_and_last(session: Session, asked: Mapping[str, object]) -> tuple[int, int]:
    """Return the number of openings of an episode, with its escalations, and the id of the last."""
    ((count, last),) = session.rows(_OPENINGS_OF, asked)
    return count, last


def _subject(session: Session, entity: str, transition: int) -> Subject:
    found = session.rows(_SUBJECT, {"entity": entity, "transition": transition})
    ((owner, payload, labels),) = found
    return Subject(
        entity=entity,
        owner=owner,
        severity=Severity(stored_alerter_from_bytes(payload).severity),
        labels=label_text.from_text(labels),
    )
