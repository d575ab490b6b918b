"""Changes of declared objects in SQLite, and objects that have no table of their own."""

import json
from collections.abc import Collection, Mapping
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
from nilometer_collector.store.rows import change_of
from nilometer_collector.store.sqlite.alerts import Alerts
from nilometer_collector.store.sqlite.database import Database
from nilometer_collector.store.sqlite.entities import Entities
from nilometer_collector.store.sqlite.objects import Objects
from nilometer_collector.store.sqlite.references import References
from nilometer_collector.store.texts import storable

_CHANGES = """
SELECT c.revision, r.author, r.origin, r.made_ns, c.kind, c.entity, c.name, c.before, c.after,
  r.reason
FROM changes c JOIN revisions r ON r.id = c.revision
WHERE (?1 IS NULL OR c.kind = ?1) AND (?2 IS NULL OR c.entity = ?2) AND (?3 IS NULL OR c.name = ?3)
  AND c.revision > ?4 AND (?5 IS NULL OR c.revision < ?5)
ORDER BY c.revision DESC, c.kind, c.entity, c.name LIMIT ?6
"""
_MOVED = "SELECT DISTINCT kind, entity, name FROM changes WHERE revision > ?"
_NEWEST_CHANGE = """
SELECT revision, kind, entity, name FROM changes WHERE revision > ? AND (kind, entity, name) IN
  (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')
   FROM json_each(?))
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
        ((number,),) = self._database.rows("SELECT coalesce(max(id), 0) FROM revisions")
        return int(number)

    def commit(self, revision: Revision, now_ns: int, based_on: int | None = None) -> int:
        """Make all changes of *revision* and record them, in one transaction."""
        with self._database.write():
            newest = self.newest
            if based_on is not None and newest != based_on:
                moved = self._database.rows(_MOVED, (based_on,))
                check_unmoved(revision, based_on, (Key(*row) for row in moved))
            commands = revision.commands
            of_entities = [one for one in commands if isinstance(one, DeclareEntity | RemoveEntity)]
            if of_entities:
                self._entities.change(of_entities, now_ns)
            for command in commands:
                self._make(command, now_ns)
            return self.record(revision, now_ns) if revision.changes else newest

    def changes(
        self, question: ChangeQuestion = EVERY_CHANGE, limit: int = MOST_CHANGES
    ) -> list[ChangeRecord]:
        """List at most *limit* changes, newest first; within a revision, by kind, entity, name."""
        asked = (question.kind, question.entity, question.name, question.after, question.before)
        return [change_of(row) for row in self._database.rows(_CHANGES, (*asked, limit))]

    def newest_change(self, keys: Collection[Key], after: int) -> tuple[int, Key] | None:
        """Return the number and the object of the newest change of *keys* after a revision."""
        row = self._database.row(_NEWEST_CHANGE, (after, json.dumps([*keys])))
        return None if row is None else (int(row[0]), Key(*row[1:]))

    def objects(self, kind: str) -> Mapping[Key, str]:
        """Return the definitions of all objects of *kind* that have no table of their own."""
        rows = self._database.rows(
            "SELECT kind, entity, name, content FROM objects WHERE kind = ? ORDER BY entity, name",
            (kind,),
        )
        return {Key(*key): content for *key, content in rows}

    def object(self, key: Key) -> str | None:
        """Return the definition of one object that has no table of its own; None without one."""
        row = self._database.row(
            "SELECT content FROM objects WHERE kind = ? AND entity = ? AND name = ?",
            (key.kind, key.entity, key.name),
        )
        return None if row is None else str(row[0])

    def _make(self, command: Command, now_ns: int) -> None:
        match command:
            case DeclareEntity() | RemoveEntity():
                pass  # all entities change together
            case SetAlerter():
                self._alerts.put(command.alerter, command.origin, now_ns)
            case RemoveAlerter():
                self._alerts.delete(command.entity, command.name, now_ns)
            case AddReference():
                self._references.put(
                    command.reference,
                    now_ns,
                    is_current=command.is_current,
                    expires_ns=command.expires_ns,
                )
            case ChooseReference(entity=entity, name=name, digest=digest):
                self._references.choose(entity, name, digest, command.expires_ns)
            case WithdrawReference():
                self._references.withdraw(command.entity, command.name)
            case _:
                self._make_object(command, now_ns)

    def _make_object(self, command: _OfObject, now_ns: int) -> None:
        match command:
            case SetRoute():
                self._routes.put(command.route, command.origin, now_ns, MOST_ROUTES)
            case RemoveRoute():
                self._routes.delete(command.name, now_ns)
            case SetReceiver(receiver=TargetDefinition() as target):
                self._targets.put(target, command.origin, now_ns, MOST_TARGETS)
            case SetReceiver():
                self._channels.put(command.receiver, command.origin, now_ns, MOST_CHANNELS)
            case RemoveReceiver():
                is_target = command.type is TargetDefinition
                receivers = self._targets if is_target else self._channels
                receivers.delete(command.name, now_ns)
            case SetObject():
                self._database.execute(
                    "INSERT OR REPLACE INTO objects (kind, entity, name, content) "
                    "VALUES (?, ?, ?, ?)",
                    (*command.key, command.content),
                )
            case RemoveObject():
                self._database.execute(
                    "DELETE FROM objects WHERE kind = ? AND entity = ? AND name = ?", command.key
                )

    def record(self, revision: Revision, now_ns: int) -> int:
        """Keep the changes of *revision* inside a transaction; return its number."""
        number = self._database.execute(
            "INSERT INTO revisions (author, origin, made_ns, reason) VALUES (?, ?, ?, ?)",
            (
                storable(revision.author),
                revision.origin.value,
                now_ns,
                storable(revision.reason),
            ),
        )
        for change in revision.changes:
            self._database.execute(
                "INSERT INTO changes (revision, kind, entity, name, before, after) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (number, *change.key, change.before, change.after),
            )
        return number
