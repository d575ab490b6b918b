"""The status of the default alerter over HTTP."""

from typing import get_args

from nilometer.alert.reason import Reason
from nilometer.testing import eventually
from nilometer_collector.api.fields import Why
from nilometer_collector.testing import ENTITY, Running, feature_sample


def test_every_reason_is_in_the_document() -> None:
    assert set(get_args(Why)) == {reason.value for reason in Reason}


def test_a_new_entity_learns(served: Running) -> None:
    assert served.get("watch") == {"entities": []}
    served.sender().ship(feature_sample([1.0, 2.0]))
    eventually(lambda: bool(served.get("watch", entity=ENTITY)["entities"]), 60)
    (watch,) = served.get("watch", entity=ENTITY)["entities"]
    assert (watch["entity"], watch["status"], watch["phase"]) == (ENTITY, "LEARNING", "LEARNING")
    assert (watch["reason"], watch["budget_days"], watch["summaries"]) == (
        "no_window_yet",
        30.0,
        [],
    )
    (entity,) = served.get("entities")["entities"]
    assert (entity["health"], entity["references"]) == ("LEARNING", [])
    assert served.get("watch", entity="another") == {"entities": []}
