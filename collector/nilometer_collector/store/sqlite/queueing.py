"""Queues notifications in SQLite, and holds them while their episode is silenced.

Every method runs inside a transaction.
"""

import uuid

from nilometer.alert import AlertStatus, Severity
from nilometer.wire.alerts import stored_alerter_from_bytes
from nilometer_collector.access.workspaces import Workspaces
from nilometer_collector.alerting.decisions import Decision, DecisionKind, silence_of
from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.alerting.routes import RouteDefinition, Subject
from nilometer_collector.store import label_text
from nilometer_collector.store.composing import FLAPPING_NS
from nilometer_collector.store.routing import (
    acknowledging,
    due_by_channel,
    names_of,
    telling_actions,
)
from nilometer_collector.store.silencing import Settled
from nilometer_collector.store.sqlite.database import Database
from nilometer_collector.store.sqlite.episodes import read_decisions
from nilometer_collector.store.sqlite.objects import Objects
from nilometer_collector.store.sqlite.silencing import read_declared, silence, silence_all

# Opening notifications: all of an episode, those that wait and have certainly not arrived, and those
# that wait until a later time.
_OPENINGS = "transition IN (SELECT id FROM transitions WHERE episode = ? AND status = ?)"
_WAITING = (
    f"{_OPENINGS} AND acknowledged = 0 AND sealed = 0 "
    "AND delivered_ns IS NULL AND refused_ns IS NULL AND withheld_ns IS NULL"
)
_LATER = f"{_WAITING} AND max(held_until_ns, due_ns) > ?"
_QUEUED = """
SELECT 1 FROM deliveries WHERE channel = ? AND delivered_ns IS NULL AND refused_ns IS NULL
  AND withheld_ns IS NULL LIMIT 1
"""
_SUBJECT = """
SELECT e.entity, COALESCE(n.owner, ''), t.alerter_payload, e.labels
FROM transitions t JOIN episodes e ON e.id = t.episode
LEFT JOIN entities n ON n.name = e.entity AND n.deleted = 0
WHERE t.id = ?
"""
# Episodes of the same that opened: of the entity's default alerter, or of an alerter's summary and
# label set. Their escalations are no openings.
RECENT_OPENINGS = """
SELECT count(*) FROM transitions t JOIN episodes e ON e.id = t.episode
JOIN episodes o ON o.entity = e.entity AND o.alerter = e.alerter
  AND (o.number IS NOT NULL OR (o.summary = e.summary AND o.labels = e.labels))
WHERE o.id = ?1 AND t.status = ?2 AND t.recorded_ns > ?3 AND t.recorded_ns <= ?4
  AND NOT EXISTS
    (SELECT 1 FROM transitions p WHERE p.episode = t.episode AND p.status = t.status AND p.id < t.id)
"""


class Queue:
    """Queues the notifications of all channels.

    Args:
        database: Database that holds them.
        own: Name of the channel that the collector has by its settings; empty for none.
        channels: Channels that users have defined.
        routes: Routes that users have defined.
        workspaces: Workspaces, whose channels are told of their own entities only.
    """

    def __init__(
        self,
        database: Database,
        own: str,
        channels: Objects[ChannelDefinition],
        routes: Objects[RouteDefinition],
        workspaces: Workspaces,
    ) -> None:
        self._database = database
        self._own = own
        self._channels = channels
        self._routes = routes
        self._workspaces = workspaces
        self._settled = Settled()

    def put(self, episode: int, transition: int, status: AlertStatus, now_ns: int) -> int:
        """Queue the notifications of *transition*; return how many can be delivered now.

        An opening is held while the episode is silenced, and outside the hours of its route. An
        escalation is an opening that gives up the opening before it if that would be sent later. A
        closing goes to the channels that were told of the opening.
        """
        is_opening = status is AlertStatus.ALERTING
        is_first = is_opening and self._openings_of(episode) == 1
        if is_opening:
            made = silence(self._database, episode, read_declared(self._database, now_ns))
            for decision in () if is_first else made:  # what waits since an earlier opening
                self.apply(episode, decision)
        channels = names_of(self._channels.contents(), self._own)
        if not channels:
            return 0
        openings = self._openings(episode, now_ns) if is_first else 0
        subject = self._subject(transition)
        due = due_by_channel(
            channels, self._routes.contents(), subject, openings, now_ns, self._workspaces
        )
        if not is_opening:
            self._give_up(episode, now_ns)
            told = [one for one in self._told(episode) if one in channels]
            for channel in told:
                self._add(transition, channel, now_ns, due_ns=due.get(channel, 0))
            return len(told)
        until_ns = self._silenced_until(episode, now_ns)
        for channel, due_ns in due.items():
            self._give_up(episode, now_ns, channel, least_ns=max(until_ns, due_ns))
            self._add(transition, channel, now_ns, held_until_ns=until_ns, due_ns=due_ns)
        return sum(not until_ns and due_ns <= now_ns for due_ns in due.values())

    def apply(self, episode: int, decision: Decision) -> None:
        """Hold the opening of *episode* until its silence ends, end the silence, or acknowledge.

        If the opening was delivered before, it is delivered once more after the silence. A channel
        that is told of acknowledgements gets one after its opening. If its opening would be sent
        later, it gets neither.

        Args:
            episode: Id of the episode.
            decision: Decision, which is stored already.
        """
        opening = (episode, AlertStatus.ALERTING.value)
        until_ns = self._silenced_until(episode, decision.made_ns)
        is_silence = decision.kind in {DecisionKind.SILENCED, DecisionKind.UNSILENCED}
        if is_silence and until_ns:  # also if one of several silences ends
            told = set(self._told(episode))
            waiting = self._database.rows(
                f"SELECT DISTINCT channel FROM deliveries WHERE {_WAITING}",  # noqa: S608
                opening,
            )
            self._database.execute(
                f"UPDATE deliveries SET held_until_ns = ? WHERE {_WAITING}",  # noqa: S608
                (until_ns, *opening),
            )
            for channel in sorted(told - {channel for (channel,) in waiting}):
                self._add_again(episode, channel, decision.made_ns, held_until_ns=until_ns)
        elif decision.kind is DecisionKind.UNSILENCED:
            told_before = (
                f"channel IN (SELECT channel FROM deliveries WHERE {_OPENINGS} "  # noqa: S608
                "AND acknowledged = 0 AND (delivered_ns IS NOT NULL "
                "OR (sealed AND refused_ns IS NULL AND withheld_ns IS NULL)))"
            )
            for change, where in (("withheld_ns", f"AND {told_before}"), ("held_until_ns", "")):
                self._database.execute(
                    f"UPDATE deliveries SET {change} = ? "  # noqa: S608
                    f"WHERE {_WAITING} AND held_until_ns > ? {where}",
                    (decision.made_ns, *opening, decision.made_ns, *(opening if where else ())),
                )
        elif decision.kind is DecisionKind.ACKNOWLEDGED:
            asking = acknowledging(self._channels.contents())
            for channel in sorted(asking):
                self._give_up(episode, decision.made_ns, channel)
            for channel in sorted(asking.intersection(self._told(episode, even_refused=False))):
                self._add_again(episode, channel, decision.made_ns, acknowledged=1)

    def tell_action(
        self, entity: str, episode: int, turn: int, escalate_to: str, now_ns: int
    ) -> int:
        """Queue the messages about a turn of an action; return their number.

        The channels that were or will be told of the episode get it, not before its opening. The
        channel *escalate_to* gets it, too, if it is for the entity; it may be empty.
        """
        telling = telling_actions(self._channels.contents(), self._own)
        opening = (episode, AlertStatus.ALERTING.value)
        escalated = {escalate_to} if self._workspaces.serves(escalate_to, entity) else set()
        due = dict.fromkeys(escalated & telling, 0)
        for channel, due_ns in self._database.rows(
            f"SELECT channel, max(CASE WHEN delivered_ns IS NULL THEN max(held_until_ns, due_ns) "  # noqa: S608
            f"ELSE 0 END) FROM deliveries WHERE {_OPENINGS} AND acknowledged = 0 "
            "AND withheld_ns IS NULL GROUP BY channel",
            opening,
        ):
            if channel in telling and self._workspaces.serves(channel, entity):
                due.setdefault(channel, due_ns)
        for channel in sorted(due):
            self._add(
                self._last_opening(episode),
                channel,
                now_ns,
                due_ns=due[channel],
                acknowledged=1,
                action_turn=turn,
            )
        return len(due)

    def holds(self, channel: str) -> bool:
        """Return whether a notification of *channel* is queued, also one that must wait."""
        return self._database.row(_QUEUED, (channel,)) is not None

    def settle_silences(self, now_ns: int) -> None:
        """Silence open episodes as users have declared, and end silences that hold no more."""
        declared = read_declared(self._database, now_ns)
        if self._settled.holds(declared):
            return
        due = silence_all(self._database, declared)
        for episode, decision in due:
            self.apply(episode, decision)
        if not due:
            self._settled.remember(declared)

    def _silenced_until(self, episode: int, now_ns: int) -> int:
        """Return the end of the silence in force, Unix nanoseconds; 0 for none."""
        silence = silence_of(read_decisions(self._database, episode), now_ns)
        return (silence and silence.until_ns) or 0

    def _subject(self, transition: int) -> Subject:
        ((entity, owner, payload, labels),) = self._database.rows(_SUBJECT, (transition,))
        return Subject(
            entity=entity,
            owner=owner,
            severity=Severity(stored_alerter_from_bytes(payload).severity),
            labels=label_text.from_text(labels),
        )

    def _openings(self, episode: int, now_ns: int) -> int:
        asked = (episode, AlertStatus.ALERTING.value, now_ns - FLAPPING_NS, now_ns)
        ((openings,),) = self._database.rows(RECENT_OPENINGS, asked)
        return int(openings)

    def _openings_of(self, episode: int) -> int:
        """Return the number of openings of *episode*: the first one, and its escalations."""
        ((count,),) = self._database.rows(
            "SELECT count(*) FROM transitions WHERE episode = ? AND status = ?",
            (episode, AlertStatus.ALERTING.value),
        )
        return int(count)

    def _last_opening(self, episode: int) -> int:
        ((last,),) = self._database.rows(
            "SELECT max(id) FROM transitions WHERE episode = ? AND status = ?",
            (episode, AlertStatus.ALERTING.value),
        )
        return int(last)

    def _give_up(
        self, episode: int, now_ns: int, channel: str | None = None, *, least_ns: int = 0
    ) -> None:
        """Withhold openings that wait for a silence or for route hours, until *least_ns* or later."""
        self._database.execute(
            f"UPDATE deliveries SET withheld_ns = ? WHERE {_LATER} "  # noqa: S608
            "AND max(held_until_ns, due_ns) >= ? AND channel = COALESCE(?, channel)",
            (now_ns, episode, AlertStatus.ALERTING.value, now_ns, least_ns, channel),
        )

    def _told(self, episode: int, *, even_refused: bool = True) -> list[str]:
        """Return the channels that were or will be told of the opening, and still may be."""
        rows = self._database.rows(
            f"SELECT DISTINCT channel FROM deliveries WHERE {_OPENINGS} "  # noqa: S608
            "AND acknowledged = 0 AND withheld_ns IS NULL AND (? OR refused_ns IS NULL) "
            "ORDER BY channel",
            (episode, AlertStatus.ALERTING.value, int(even_refused)),
        )
        ((entity,),) = self._database.rows("SELECT entity FROM episodes WHERE id = ?", (episode,))
        return [channel for (channel,) in rows if self._workspaces.serves(channel, entity)]

    def _add_again(
        self,
        episode: int,
        channel: str,
        now_ns: int,
        *,
        held_until_ns: int = 0,
        acknowledged: int = 0,
    ) -> None:
        """Queue the last opening of *episode* once more."""
        self._add(
            self._last_opening(episode),
            channel,
            now_ns,
            held_until_ns=held_until_ns,
            acknowledged=acknowledged,
        )

    def _add(
        self,
        transition: int,
        channel: str,
        now_ns: int,
        *,
        held_until_ns: int = 0,
        due_ns: int = 0,
        acknowledged: int = 0,
        action_turn: int | None = None,
    ) -> None:
        key = uuid.uuid4().hex
        self._database.execute(
            "INSERT INTO deliveries (transition, channel, key, created_ns, attempts, held_until_ns, "
            "due_ns, acknowledged, action_turn) VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?)",
            (transition, channel, key, now_ns, held_until_ns, due_ns, acknowledged, action_turn),
        )
