"""Kill -9 of a collector between any two steps from an episode to the order of its action.

With a healthy target, each decision is one order with one key: none is lost, and only an order whose 2xx
was lost in the kill comes twice, with the same key.
"""

from collections import Counter, defaultdict
from pathlib import Path
from typing import ClassVar

import pytest
from faults.delivering import CHANGES
from faults.test_deliveries import Killing, kills, place_of
from faults.zygote import Zygote
from support.acting import an_action, declare

from nilometer_collector.alerting.targets import TargetDefinition
from nilometer_collector.store import Store
from nilometer_collector.testing import START_NS

STATES = "SELECT state, count(*) FROM action_runs GROUP BY state"


class Acting(Killing):
    """Children that start and send actions from one store, one or several at a time."""

    child: ClassVar[str] = "acting.act"
    leased: ClassVar[str] = "action_runs"

    def prepare(self, store: Store) -> None:
        """Make the target and the action of all entities."""
        secrets = {"url": self.webhook.url, "signing_key": "a-signing-key-of-the-target"}
        target = TargetDefinition(name="ci", kind="webhook", secrets=secrets)
        store.targets.put(target, "api", START_NS, 10)
        declare(store, an_action(entity="model-*", cool_down_seconds=0.0, most_a_day=1000))

    def compare(self) -> str:
        """Return what was seen."""
        decisions = sum(self.last.values()) // CHANGES
        assert self.place.change(sqlite=STATES, postgresql=STATES) == [("worked", decisions)]
        keys = defaultdict(set)
        for order in self.webhook.accepted:
            keys[order.content["entity"], order.content["episode"]["id"]].add(order.key)
        assert len(keys) == decisions, "lost"
        assert all(len(one) == 1 for one in keys.values()), "two keys for one decision"
        times = Counter(order.key for order in self.webhook.accepted)
        repeated = times.total() - len(times)
        assert repeated <= self.lost_replies, "an order came twice although its 2xx was recorded"
        return (
            f"{decisions} decisions, {self.lost_replies} lost 2xx, {repeated} orders repeated with "
            "their key"
        )


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_a_kill_between_any_two_steps_loses_and_doubles_no_order(
    zygote: Zygote, tmp_path: Path, request: pytest.FixtureRequest, store: str
) -> None:
    place, collectors = place_of(store, tmp_path, request)
    print(kills(zygote, tmp_path, place, seed=1, count=5, collectors=collectors, killing=Acting))
