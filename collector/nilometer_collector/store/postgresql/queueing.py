"""Queues notifications in PostgreSQL, and holds them while their episode is silenced.

Every method runs inside a transaction.
"""

import uuid

from nilometer.alert import AlertStatus
from nilometer_collector.alerting.decisions import Decision, DecisionKind, silence_of
from nilometer_collector.store.postgresql.episodes import read_decisions
from nilometer_collector.store.postgresql.session import Session

_ADD = """
INSERT INTO deliveries (entity, transition, channel, key, created_ns, attempts, held_until_ns)
VALUES (%(entity)s, %(transition)s, %(channel)s, %(key)s, %(now)s, 0, %(until)s)
"""
# The deliveries of the openings of an episode that nobody has got, refused or given up.
_HOLD = """
UPDATE deliveries SET held_until_ns = %(until)s WHERE entity = %(entity)s AND transition IN
  (SELECT id FROM transitions WHERE entity = %(entity)s AND episode = %(episode)s
   AND status = %(status)s)
  AND delivered_ns IS NULL AND refused_ns IS NULL AND withheld_ns IS NULL
"""
_RELEASE = """
UPDATE deliveries SET held_until_ns = %(now)s WHERE entity = %(entity)s AND transition IN
  (SELECT id FROM transitions WHERE entity = %(entity)s AND episode = %(episode)s
   AND status = %(status)s)
  AND delivered_ns IS NULL AND refused_ns IS NULL AND withheld_ns IS NULL
  AND held_until_ns > %(now)s
"""
_WITHHOLD = """
UPDATE deliveries SET withheld_ns = %(now)s WHERE entity = %(entity)s AND transition IN
  (SELECT id FROM transitions WHERE entity = %(entity)s AND episode = %(episode)s
   AND status = %(status)s)
  AND delivered_ns IS NULL AND refused_ns IS NULL AND withheld_ns IS NULL
  AND held_until_ns > %(now)s
"""
_LAST_OPENING = """
SELECT max(id) FROM transitions
WHERE entity = %(entity)s AND episode = %(episode)s AND status = %(status)s
"""
_OUTCOMES = """
SELECT count(*), count(d.withheld_ns), count(d.delivered_ns)
FROM deliveries d JOIN transitions t ON t.entity = d.entity AND t.id = d.transition
WHERE t.entity = %(entity)s AND t.episode = %(episode)s AND t.status = %(status)s
"""


class Queue:
    """Queues the notifications of one channel.

    Args:
        channel: Name of the channel; if empty, nothing is queued.
    """

    def __init__(self, channel: str) -> None:
        self._channel = channel

    def put(
        self,
        session: Session,
        entity: str,
        episode: int,
        transition: int,
        status: AlertStatus,
        now_ns: int,
    ) -> int:
        """Queue the notification of *transition*; return 1 if it can be delivered now, else 0.

        An opening is held while the episode is silenced. A closing is left out if nobody was told of
        the opening.
        """
        if not self._channel:
            return 0
        if status is not AlertStatus.ALERTING:
            asked = _openings(entity, episode, now_ns)
            session.execute(_WITHHOLD, asked)
            ((queued, withheld, _),) = session.rows(_OUTCOMES, asked)
            if queued and queued == withheld:
                return 0
            self._add(session, entity, transition, 0, now_ns)
            return 1
        silence = silence_of(read_decisions(session, entity, episode), now_ns)
        until_ns = (silence and silence.until_ns) or 0
        self._add(session, entity, transition, until_ns, now_ns)
        return int(silence is None)

    def apply(self, session: Session, entity: str, episode: int, decision: Decision) -> None:
        """Hold the opening of *episode* until its silence ends, or end the silence.

        If the opening was delivered before, it is delivered once more after the silence.
        """
        asked = _openings(entity, episode, decision.made_ns)
        if decision.kind is DecisionKind.SILENCED:
            until_ns = decision.until_ns or 0
            if not session.execute(_HOLD, {**asked, "until": until_ns}) and self._channel:
                ((transition,),) = session.rows(_LAST_OPENING, asked)
                self._add(session, entity, transition, until_ns, decision.made_ns)
        elif decision.kind is DecisionKind.UNSILENCED:
            ((_, _, delivered),) = session.rows(_OUTCOMES, asked)
            session.execute(_WITHHOLD if delivered else _RELEASE, asked)

    def _add(
        self, session: Session, entity: str, transition: int, held_until_ns: int, now_ns: int
    ) -> None:
        session.execute(
            _ADD,
            {
                "entity": entity,
                "transition": transition,
                "channel": self._channel,
                "key": uuid.uuid4().hex,
                "now": now_ns,
                "until": held_until_ns,
            },
        )


def _openings(entity: str, episode: int, now_ns: int) -> dict[str, object]:
    status = AlertStatus.ALERTING.value
    return {"entity": entity, "episode": episode, "status": status, "now": now_ns}
