"""Rules of the default alerter that users declare apply at once, and before those of the settings."""

from support.watched_traffic import Traffic

from nilometer.values.clock import NANOSECONDS
from nilometer_collector.alerting.watch_rules import WatchRule, rule_of
from nilometer_collector.declared.applying import By, apply
from nilometer_collector.declared.context import DeclareContext
from nilometer_collector.declared.registered import document_of
from nilometer_collector.query.query import Query
from nilometer_collector.store import Origin, Store
from nilometer_collector.watch.rules import current_rules

BY = By("ann", Origin.APPLY)


def declare(store: Store, *rules: dict[str, object]) -> None:
    apply(DeclareContext(store), document_of({"version": 1, "watch": list(rules)}), BY, NANOSECONDS)


def test_the_longest_declared_pattern_that_matches_applies_in_any_order(store: Store) -> None:
    declare(
        store,
        {"entity": "*", "budget_days": 1},
        {"entity": "fraud-*", "budget_days": 2},
        {"entity": "fraud-eu", "budget_days": 3},
        {"entity": "fraud-eu-*", "budget_days": 4},
    )
    rules = current_rules(store, (WatchRule(entity="fraud-eu", budget_days=9),))
    days = [
        rule_of(rules, name).budget_days for name in ("x", "fraud-us", "fraud-eu", "fraud-eu-2")
    ]
    assert days == [1, 2, 3, 4]


def test_a_rule_of_the_settings_applies_where_none_is_declared(store: Store) -> None:
    declare(store, {"entity": "fraud-*", "watch": False})
    rules = current_rules(store, (WatchRule(budget_days=9),))
    assert rule_of(rules, "pricing").budget_days == 9
    assert not rule_of(rules, "fraud-eu").watch


def test_a_declared_rule_applies_to_a_running_alerter(traffic: Traffic) -> None:
    traffic.run(1)
    (entity,) = traffic.store.watching.entities()
    query = Query(traffic.store, traffic.clock)
    assert query.watched(entity)[entity].reason.value != "switched_off"
    declare(traffic.store, {"entity": entity, "watch": False})
    traffic.run(1)
    assert query.watched(entity)[entity].reason.value == "switched_off"
