"""Declared rules of the default alerter."""

from fnmatch import fnmatchcase
from itertools import islice

import msgspec

from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.declared.kind import (
    Misdeclared,
    Plain,
    StoredKind,
    named_first,
    without_defaults,
)
from nilometer_collector.limits.bounds import MAX_NAME_CHARACTERS, check_characters, control_in
from nilometer_collector.query.missing_names import KnownNames
from nilometer_collector.store import Key
from nilometer_collector.watch.rules import KIND

MOST_ENTITIES = 100  # most entities whose summaries a warning looks at


class WatchRuleObjects(StoredKind[WatchRule]):
    """Rules of the default alerter, by pattern of entities."""

    name = KIND
    plural = KIND
    definition = WatchRule
    names_itself = "entity"
    is_for_pattern = True

    def key(self, definition: WatchRule) -> Key:
        """Return the identity: a rule is named by its pattern."""
        return self.key_named("", definition.entity)

    def key_named(self, entity: str, name: str) -> Key:
        """Return the identity: a rule belongs to its pattern."""
        del entity
        return Key(KIND, name, name)

    def checked(self, definition: WatchRule) -> Plain:
        """Return the rule without defaults."""
        _ = definition.zone  # raises for an unknown time zone
        check_characters("entity", definition.entity, MAX_NAME_CHARACTERS)
        place = control_in(definition)
        if place is not None:
            raise Misdeclared(f"{place}: must not contain control characters", place)
        return named_first({"entity": definition.entity, **without_defaults(definition)})

    def warnings(self, plain: Plain, known: KnownNames) -> list[str]:
        """Return a sentence for each pattern that matches nothing yet."""
        rule = msgspec.convert(plain, WatchRule)
        matched = [name for name in known.entities if fnmatchcase(name, rule.entity)]
        if not matched:
            return [f"entity = {rule.entity!r}: matches no entity yet"]
        summaries = [
            summary for name in islice(matched, MOST_ENTITIES) for summary in known.summaries(name)
        ]
        return [
            f"{key}: {pattern!r} matches no summary of these entities"
            for key in ("tolerances", "share_tolerances")
            for pattern in getattr(rule, key)
            if summaries and not any(fnmatchcase(summary, pattern) for summary in summaries)
        ]
