"""The rules of the default alerter: rules that users declare, then those of the settings."""

from collections.abc import Iterator, Sequence
from glob import escape
from itertools import groupby

from msgspec.structs import replace

from nilometer_collector.access.rights import WILDCARDS
from nilometer_collector.alerting.watch_rules import WatchRule, rule_of
from nilometer_collector.query.declared_summaries import declared_summaries
from nilometer_collector.store import Store
from nilometer_collector.store.written import readable_of

KIND = "watch"  # kind of the declared objects that hold a rule


def current_rules(store: Store, given: Sequence[WatchRule]) -> tuple[WatchRule, ...]:
    """Return all rules; the first one that matches an entity applies.

    A rule for one entity comes before patterns, and a longer pattern before a shorter one. So the
    order in which users declare rules does not matter. Tolerances of declared summaries come before
    those of the rules. A rule that a newer version wrote is left out, and logged.

    Args:
        store: Store of declared objects.
        given: Rules of the settings, in their order.
    """
    declared = readable_of(store.history.objects(KIND).values(), WatchRule)
    declared.sort(key=lambda rule: (is_pattern(rule.entity), -len(rule.entity), rule.entity))
    return (*_of_summaries(store, (*declared, *given)), *declared, *given)


def _of_summaries(store: Store, rules: tuple[WatchRule, ...]) -> Iterator[WatchRule]:
    """Yield the rule of each entity whose declared summaries have tolerances, with these first."""
    for entity, own in groupby(declared_summaries(store), key=lambda one: one.entity):
        of_distance, of_shares = dict[str, float](), dict[str, float]()
        for one in own:
            if one.tolerance is not None:
                of_distance[escape(one.name)] = one.tolerance
            if one.share_tolerance is not None:
                of_shares[escape(one.name)] = one.share_tolerance
        if of_distance or of_shares:
            rule = rule_of(rules, entity)
            yield replace(
                rule,
                entity=entity,
                tolerances={**of_distance, **rule.tolerances},
                share_tolerances={**of_shares, **rule.share_tolerances},
            )


def is_pattern(entity: str) -> bool:
    """Return whether *entity* is a pattern over names of entities."""
    return bool(set(entity) & WILDCARDS)
