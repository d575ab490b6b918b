"""Changes of declared objects in PostgreSQL, and objects that have no table of their own."""

from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

from nilometer_collector.alerting.receivers import MOST_CHANNELS, MOST_ROUTES, ChannelDefinition
from nilometer_collector.alerting.routes import RouteDefinition
from nilometer_collector.alerting.targets import MOST_TARGETS, TargetDefinition
from nilometer_collector.store.changing import MOST_CHANGES, check_unmoved
from nilometer_collector.store.history_records import (
    EVERY_CHANGE,
    AddReference,
    ChangeQuestion,
    ChangeRecord,
    ChooseReference,
    Command,
    DeclareEntity,
    Key,
    RemoveAlerter,
    RemoveEntity,
    RemoveObject,
    RemoveReceiver,
    RemoveRoute,
    Revision,
    SetAlerter,
    SetObject,
    SetReceiver,
    SetRoute,
    WithdrawReference,
)
from nilometer_collector.store.postgresql.alerts import Alerts
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.entities import Entities
from nilometer_collector.store.postgresql.objects import Objects
from nilometer_collector.store.postgresql.references import References
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.rows import change_of
from nilometer_collector.store.texts import storable

# Collectors take turns, so that a revision is based on the newest one, and numbers have no gaps.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('nilometer history', 0))"
_NEWEST = "SELECT coalesce(max(id), 0) FROM revisions"
_REVISION = """
INSERT INTO revisions (id, author, origin, made_ns, reason)
VALUES (%(id)s, %(author)s, %(origin)s, %(now)s, %(reason)s)
"""
_RECORD = """
INSERT INTO changes (revision, kind, entity, name, before, after)
SELECT %(id)s, kind, entity, name, before, after
FROM unnest(%(kinds)s::text[], %(entities)s::text[], %(names)s::text[], %(old_texts)s::text[],
            %(new_texts)s::text[]) AS new (kind, entity, name, before, after)
"""
_CHANGES = """
SELECT c.revision, r.author, r.origin, r.made_ns, c.kind, c.entity, c.name, c.before, c.after,
       r.reason
FROM changes c JOIN revisions r ON r.id = c.revision
WHERE (%(kind)s::text IS NULL OR c.kind = %(kind)s)
  AND (%(entity)s::text IS NULL OR c.entity = %(entity)s)
  AND (%(name)s::text IS NULL OR c.name = %(name)s)
  AND c.revision > %(after)s AND (%(before)s::bigint IS NULL OR c.revision < %(before)s)
ORDER BY c.revision DESC, c.kind, c.entity, c.name LIMIT %(limit)s
"""
_PUT = """
INSERT INTO objects (kind, entity, name, content)
SELECT * FROM unnest(%(kinds)s::text[], %(entities)s::text[], %(names)s::text[], %(contents)s::text[])
ON CONFLICT (kind, entity, name) DO UPDATE SET content = excluded.content
"""
_REMOVE = """
DELETE FROM objects WHERE kind = %(kind)s AND entity = %(entity)s AND name = %(name)s
"""
_OBJECTS = """
SELECT kind, entity, name, content FROM objects WHERE kind = %(kind)s ORDER BY entity, name
"""
_OBJECT = """
SELECT content FROM objects WHERE kind = %(kind)s AND entity = %(entity)s AND name = %(name)s
"""
_MOVED = "SELECT DISTINCT kind, entity, name FROM changes WHERE revision > %(after)s"
_NEWEST_CHANGE = """
SELECT revision, kind, entity, name FROM changes
WHERE revision > %(after)s AND (kind, entity, name) IN
  (SELECT * FROM unnest(%(kinds)s::text[], %(entities)s::text[], %(names)s::text[]))
ORDER BY revision DESC, kind, entity, name LIMIT 1
"""

_OfObject: TypeAlias = (
    SetRoute | RemoveRoute | SetReceiver | RemoveReceiver | SetObject | RemoveObject
)


class History:
    """Makes and lists changes.

    Args:
        database: Database that holds them.
        entities: Declared entities.
        references: Versions of references.
        alerts: Alerters.
        channels: Channels of notifications.
        routes: Routes from episodes to channels.
        targets: Targets of actions.
    """

    def __init__(
        self,
        database: Database,
        entities: Entities,
        references: References,
        alerts: Alerts,
        *,
        channels: Objects[ChannelDefinition],
        routes: Objects[RouteDefinition],
        targets: Objects[TargetDefinition],
    ) -> None:
        self._database = database
        self._entities = entities
        self._references = references
        self._alerts = alerts
        self._channels = channels
        self._routes = routes
        self._targets = targets

    @property
    def newest(self) -> int:
        """Number of the newest revision; 0 before the first."""
        return self._database.read(_newest)

    def commit(self, revision: Revision, now_ns: int, based_on: int | None = None) -> int:
        """Make all changes of *revision* and record them, in one transaction."""

        def commit(session: Session) -> int:
            newest = take_turn(session)
            if based_on is not None and newest != based_on:
                moved = session.rows(_MOVED, {"after": based_on})
                check_unmoved(revision, based_on, (Key(*row) for row in moved))
            commands = revision.commands
            of_entities = [one for one in commands if isinstance(one, DeclareEntity | RemoveEntity)]
            if of_entities:
                self._entities.change(session, of_entities, now_ns)
            _put(session, [one for one in commands if isinstance(one, SetObject)])
            for command in commands:
                self._make(session, command, now_ns)
            if not revision.changes:
                return newest
            record(session, newest + 1, revision, now_ns)
            return newest + 1

        return self._database.write(commit)

    def changes(
        self, question: ChangeQuestion = EVERY_CHANGE, limit: int = MOST_CHANGES
    ) -> list[ChangeRecord]:
        """List at most *limit* changes, newest first; within a revision, by kind, entity, name."""
        asked = {
            "kind": question.kind,
            "entity": question.entity,
            "name": question.name,
            "after": question.after,
            "before": question.before,
            "limit": limit,
        }
        rows = self._database.read(lambda session: session.rows(_CHANGES, asked))
        return [change_of(row) for row in rows]

    def newest_change(self, keys: Collection[Key], after: int) -> tuple[int, Key] | None:
        """Return the number and the object of the newest change of *keys* after a revision."""
        asked = {
            "after": after,
            "kinds": [one.kind for one in keys],
            "entities": [one.entity for one in keys],
            "names": [one.name for one in keys],
        }
        rows = self._database.read(lambda session: session.rows(_NEWEST_CHANGE, asked))
        return (int(rows[0][0]), Key(*rows[0][1:])) if rows else None

    def objects(self, kind: str) -> Mapping[Key, str]:
        """Return the definitions of all objects of *kind* that have no table of their own."""
        rows = self._database.read(lambda session: session.rows(_OBJECTS, {"kind": kind}))
        return {Key(*key): content for *key, content in rows}

    def object(self, key: Key) -> str | None:
        """Return the definition of one object that has no table of its own; None without one."""
        asked = {"kind": key.kind, "entity": key.entity, "name": key.name}
        rows = self._database.read(lambda session: session.rows(_OBJECT, asked))
        return str(rows[0][0]) if rows else None

    def _make(self, session: Session, command: Command, now_ns: int) -> None:
        match command:
            case DeclareEntity() | RemoveEntity():
                pass  # all entities change together
            case SetAlerter():
                self._alerts.store(session, command.alerter, command.origin, now_ns)
            case RemoveAlerter():
                self._alerts.remove(session, command.entity, command.name, now_ns)
            case AddReference():
                self._references.store(
                    session,
                    command.reference,
                    now_ns,
                    is_current=command.is_current,
                    expires_ns=command.expires_ns,
                )
            case ChooseReference(entity=entity, name=name, digest=digest):
                self._references.choose(session, entity, name, digest, command.expires_ns)
            case WithdrawReference():
                self._references.withdraw(session, command.entity, command.name)
            case _:
                self._make_object(session, command, now_ns)

    def _make_object(
        self,
        session: Session,
        command: _OfObject,
        now_ns: int,
    ) -> None:
        match command:
            case SetRoute():
                self._routes.store(session, command.route, command.origin, now_ns, MOST_ROUTES)
            case RemoveRoute():
                self._routes.remove(session, command.name, now_ns)
            case SetReceiver(receiver=TargetDefinition() as target):
                self._targets.store(session, target, command.origin, now_ns, MOST_TARGETS)
            case SetReceiver():
                self._channels.store(
                    session, command.receiver, command.origin, now_ns, MOST_CHANNELS
                )
            case RemoveReceiver():
                is_target = command.type is TargetDefinition
                receivers = self._targets if is_target else self._channels
                receivers.remove(session, command.name, now_ns)
            case SetObject():
                pass  # all of them are put together
            case RemoveObject():
                session.execute(_REMOVE, command.key._asdict())


def _put(session: Session, commands: Sequence[SetObject]) -> None:
    """Store objects that have no table of their own, in one statement."""
    if commands:
        session.execute(
            _PUT,
            {
                "kinds": [one.key.kind for one in commands],
                "entities": [one.key.entity for one in commands],
                "names": [one.key.name for one in commands],
                "contents": [one.content for one in commands],
            },
        )


def _newest(session: Session) -> int:
    ((number,),) = session.rows(_NEWEST)
    return int(number)


def take_turn(session: Session) -> int:
    """Wait inside a transaction until no other one adds a revision; return the newest number."""
    session.rows(_LOCK)
    return _newest(session)


def record(session: Session, number: int, revision: Revision, now_ns: int) -> None:
    """Keep the changes of *revision* under this number, which follows that of `take_turn`."""
    changes = revision.changes
    session.execute(
        _REVISION,
        {
            "id": number,
            "author": storable(revision.author),
            "origin": revision.origin.value,
            "now": now_ns,
            "reason": storable(revision.reason),
        },
    )
    session.execute(
        _RECORD,
        {
            "id": number,
            "kinds": [change.key.kind for change in changes],
            "entities": [change.key.entity for change in changes],
            "names": [change.key.name for change in changes],
            "old_texts": [change.before for change in changes],
            "new_texts": [change.after for change in changes],
        },
    )
