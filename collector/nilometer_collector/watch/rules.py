"""The rules of the default alerter: rules that users declare, then those of the settings."""

from collections.abc import Sequence

import msgspec

from nilometer_collector.access.rights import WILDCARDS
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.store import Store

KIND = "watch"  # kind of the declared objects that hold a rule


def current_rules(store: Store, given: Sequence[WatchRule]) -> tuple[WatchRule, ...]:
    """Return all rules; the first one that matches an entity applies.

    A rule for one entity comes before patterns, and a longer pattern before a shorter one. So the
    order in which users declare rules does not matter.

    Args:
        store: Store of declared objects.
        given: Rules of the settings, in their order.
    """
    texts = store.history.objects(KIND).values()
    declared = [msgspec.json.decode(text, type=WatchRule) for text in texts]
    declared.sort(key=lambda rule: (is_pattern(rule.entity), -len(rule.entity), rule.entity))
    return (*declared, *given)


def is_pattern(entity: str) -> bool:
    """Return whether *entity* is a pattern over names of entities."""
    return bool(set(entity) & WILDCARDS)
