"""Values of ground truth that are not of the task are refused by name."""

from msgspec.structs import replace
from support.truths import BINARY

from nilometer_collector.ground_truth.truths import Outcome, value_text


def test_a_binary_task_has_two_classes() -> None:
    assert [value_text(BINARY, one) for one in ("1", 0, True)] == ["1", "0", "1"]
    assert value_text(BINARY, "fraud") is Outcome.WRONG_CLASS
    assert value_text(replace(BINARY, positive="fraud"), "fraud") == "fraud"
    assert value_text(replace(BINARY, classes=["0", "1", "2"]), "2") == "2"
