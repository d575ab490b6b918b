"""Declared actions, by pattern of entities."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import msgspec

from nilometer_collector.access.workspaces import covers
from nilometer_collector.alerting.actions import KIND, ActionDefinition, check_action
from nilometer_collector.alerting.targets import TargetDefinition
from nilometer_collector.declared.context import DeclareContext
from nilometer_collector.declared.kind import (
    Plain,
    StoredKind,
    named_first,
    refuse_controls,
    without_defaults,
)
from nilometer_collector.errors import Conflict
from nilometer_collector.limits.bounds import MAX_NAME_CHARACTERS, check_written
from nilometer_collector.query.missing_names import KnownNames
from nilometer_collector.store import Key


class ActionObjects(StoredKind[ActionDefinition]):
    """Actions that are set off by episodes."""

    name = KIND
    plural = "actions"
    definition = ActionDefinition
    is_for_pattern = True

    def key(self, definition: ActionDefinition) -> Key:
        """Return the identity of the action."""
        return self.key_named(definition.entity, definition.name)

    def checked(self, definition: ActionDefinition) -> Plain:
        """Return the action without defaults."""
        check_action(definition)
        check_written("entity", definition.entity, MAX_NAME_CHARACTERS)
        refuse_controls(definition)
        return named_first(without_defaults(definition))

    def check_together(
        self,
        definitions: Sequence[ActionDefinition],
        stored: Mapping[Key, Plain],
        context: DeclareContext,
    ) -> None:
        """Refuse an action for entities that its target is not for."""
        del stored
        planned = context.planned
        targets = {
            one.name: one.entities
            for one in (context.store.targets.all() if definitions else ())
            if Key(TargetDefinition.word, "", one.name) not in planned.gone
        }
        for one in planned.definitions.get(TargetDefinition.word, ()):
            targets[one.name] = one.entities
        for at, action in enumerate(definitions):
            patterns = targets.get(action.target)
            if patterns is not None and not covers(patterns, action.entity):
                raise Conflict(
                    f"{action.target!r} is not for all entities {action.entity[:64]!r}",
                    f"[{at}].target",
                )

    def warnings(self, plain: Plain, known: KnownNames) -> list[str]:
        """Return a sentence for each name in the action that points nowhere."""
        action = msgspec.convert(plain, ActionDefinition)
        found = []
        if not any(fnmatchcase(name, action.entity) for name in known.entities):
            found.append(f"entity = {action.entity!r}: matches no entity yet")
        for key, name, names in (
            ("target", action.target, known.targets),
            ("escalate_to", action.escalate_to, known.channels),
        ):
            if name and known.is_missing(name, names):
                found.append(f"{key} = {name!r}: does not exist yet{known.hint(name, names or [])}")
        return found
