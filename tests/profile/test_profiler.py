import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nilometer.profile import profiler as profilers
from nilometer.profile.profiler import Fault, Profiler, load, profiler, registered
from nilometer.profiling.user_profilers import Runner
from nilometer.values.errors import ConfigError


@pytest.fixture(autouse=True)
def _registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profilers, "_registered", {})


def made(function: Callable[[Any], Any], *columns: str, name: str = "mine") -> Profiler:
    return Profiler(name=name, version="1", columns=columns or ("input.*",), function=function)


def test_three_lines_register_one() -> None:
    @profiler(version="2", columns=["input.prompt"], labels={"team": "nlp"})
    def refusals(batch: Any) -> Any:
        return {"asked": ["again" in text for text in batch["input.prompt"]]}

    assert registered() == (refusals,)
    assert (refusals.name, refusals.version) == ("refusals", "2")
    assert refusals({"input.prompt": ["once again"]}) == {"asked": [True]}


def test_a_name_means_one_version() -> None:
    profiler(version="1", name="mine")(dict)
    with pytest.raises(ConfigError, match="version '1'"):
        profiler(version="2", name="mine")(dict)
    with pytest.raises(ConfigError, match="must match"):
        profiler(name="Not A Name")(dict)


def test_a_module_that_cannot_be_imported_is_an_error_with_its_name() -> None:
    with pytest.raises(ConfigError, match="no_such_module"):
        load(["no_such_module"])


BATCH: dict[str, Any] = {"input.a": [1.0, 2.0, 3.0], "output.y": np.array([0.1, 0.2, 0.3])}


def test_values_become_summaries_on_the_side_of_the_columns() -> None:
    runner = Runner(
        [
            made(lambda batch: {"double": [2 * value for value in batch["input.a"]]}),
            made(lambda batch: {"mean": float(batch["output.y"].mean())}, "output.*", name="other"),
            made(lambda _: {"never": 1}, "input.z", name="absent"),
        ]
    )
    found = {name: list(c) for v in runner.run(BATCH) for name, c in v.columns.items()}
    assert found == {
        "input.mine.double": [2.0, 4.0, 6.0],
        "output.other.mean": [pytest.approx(0.2)],
    }
    assert runner.disarmed == {}


def boom(_: Any) -> Any:
    raise RuntimeError("boom")


def leave(_: Any) -> Any:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        (boom, Fault.RAISED),
        (leave, Fault.RAISED),
        (lambda _: None, Fault.WRONG_SHAPE),
        (lambda _: [1, 2, 3], Fault.WRONG_SHAPE),
        (lambda _: {"a": [1, 2]}, Fault.WRONG_SHAPE),
        (lambda _: {"a": "abc"}, Fault.WRONG_SHAPE),
        (lambda _: {"a": np.zeros((3, 2))}, Fault.WRONG_SHAPE),
        (lambda _: {1: [1, 2, 3]}, Fault.WRONG_SHAPE),
        (lambda _: {str(at): 1 for at in range(65)}, Fault.WRONG_SHAPE),
    ],
)
def test_a_fault_disarms_one_and_leaves_the_others(function: Any, fault: Fault) -> None:
    runner = Runner([made(function), made(lambda _: {"fine": 1.0}, name="good")])
    for _ in range(3):
        (values,) = runner.run(BATCH)
        assert list(values.columns) == ["input.good.fine"]
    assert runner.disarmed == {"mine": fault}


def test_one_that_hangs_costs_its_budget_once() -> None:
    release = threading.Event()
    calls = []

    def hang(_: Any) -> Any:
        calls.append(1)
        release.wait()
        return {}

    runner = Runner([made(hang)], budget_seconds=0.05)
    for _ in range(5):
        assert runner.run(BATCH) == []
    release.set()
    assert runner.disarmed == {"mine": Fault.TIMEOUT}
    assert len(calls) == 1
