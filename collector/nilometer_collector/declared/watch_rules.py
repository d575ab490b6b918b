"""Declared rules of the default alerter."""

import msgspec

from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.declared.kind import (
    Plain,
    StoredKind,
    named_first,
    refuse_controls,
    without_defaults,
)
from nilometer_collector.limits.bounds import MAX_NAME_CHARACTERS, check_written
from nilometer_collector.query.missing_names import KnownNames, matching_nothing
from nilometer_collector.store import Key
from nilometer_collector.watch.rules import KIND


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
        check_written("entity", definition.entity, MAX_NAME_CHARACTERS)
        refuse_controls(definition)
        return named_first({"entity": definition.entity, **without_defaults(definition)})

    def warnings(self, plain: Plain, known: KnownNames) -> list[str]:
        """Return a sentence for each pattern that matches nothing yet."""
        rule = msgspec.convert(plain, WatchRule)
        found = matching_nothing(known, rule.entity, "tolerances", rule.tolerances)
        more = matching_nothing(known, rule.entity, "share_tolerances", rule.share_tolerances)
        return [*found, *(one for one in more if one not in found)]
