"""`nilometer.observe` and `capture="values"`: what a function is given and returns, without bodies."""

import asyncio
import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from support.asgi_zoo import JSON_HEADERS, request_of, run, scope_of
from support.fake_agent import FakeAgent

import nilometer
from nilometer import ConfigError, NilometerMiddleware, observe
from nilometer.capture import observe as observe_module
from nilometer.capture.observe import Recorder
from nilometer.capture.types import Receive, Scope, Send
from nilometer.handoff.pack import batch_of
from nilometer.handoff.redact import Redaction
from nilometer.handoff.worker import Worker
from nilometer.profile import FeatureProfile, ServiceProfile
from nilometer.profiling.observation import Observation, pack, unpack
from nilometer.profiling.profiling import Profiling
from nilometer.values.labels import Labels


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker of another test, no thread, and no entity in the environment."""
    monkeypatch.delenv("NILOMETER_ENTITY", raising=False)
    monkeypatch.setattr(Recorder, "_of", {})
    monkeypatch.setattr(observe_module, "_default", [])

    def start(worker: Worker) -> None:
        worker.notes = worker.live = True

    monkeypatch.setattr(Worker, "ensure_started", start)


def observed(worker: Worker) -> list[Observation]:
    packed: Sequence[bytes] = worker.sink.take(10_000, 1 << 30)
    redaction = Redaction.of(worker.settings.redact_fields, worker.settings.redact_values)
    return unpack(batch_of(packed if redaction is None else redaction.redacted_all(packed)))


def calls() -> list[Observation]:
    return [one for recorder in Recorder._of.values() for one in observed(recorder.worker)]


def values_of(observation: Observation) -> Any:
    return msgspec.msgpack.decode(observation.values)


@dataclasses.dataclass
class Row:
    amount: float
    kind: str


class Frame:
    """As pandas and polars look from here."""

    columns = ("amount", "kind")

    def to_dict(self) -> dict[str, Any]:
        raise AssertionError("a frame is read by columns")

    def __getitem__(self, name: str) -> Any:
        return Cells([1.5, 2.5] if name == "amount" else ["a", None])


class Cells:
    def __init__(self, cells: list[Any]) -> None:
        self.cells = cells

    def to_list(self) -> list[Any]:
        return self.cells


class Model:
    """As pydantic's look."""

    def model_dump(self) -> dict[str, Any]:
        return {"amount": 1.5, "place": {"city": "Ulm"}}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"amount": 1.5, "kind": "a"}, {"amount": 1.5, "kind": "a"}),
        ({"amount": [1, 2]}, {"amount": [1, 2]}),
        ({"place": {"city": "Ulm"}}, {"place.city": "Ulm"}),
        (Row(1.5, "a"), {"amount": 1.5, "kind": "a"}),
        (Model(), {"amount": 1.5, "place.city": "Ulm"}),
        (Frame(), {"amount": [1.5, 2.5], "kind": ["a", None]}),
        (np.array([[1.0, 2.0], [3.0, 4.0]]), {"0": [1.0, 3.0], "1": [2.0, 4.0]}),
        ([[1.0, 2.0], [3.0, 4.0]], {"0": [1.0, 3.0], "1": [2.0, 4.0]}),
        ([{"a": 1}, {"b": 2}], {"a": [1, None], "b": [None, 2]}),
        (np.float32(0.5), {"x": 0.5}),
        ([1, 2], {"x": [1, 2]}),
        (0.5, {"x": 0.5}),
        (None, {"x": None}),
    ],
)
def test_one_argument_gives_its_own_names_or_its_parameters(given: Any, kept: Any) -> None:
    @observe(entity="tested")
    def predict(x: Any) -> Any:
        return x

    assert predict(given) is given
    (observation,) = calls()
    assert values_of(observation)["input"] == kept
    assert values_of(observation)["output"] == {
        ("value" if name == "x" else name): cell for name, cell in kept.items()
    }


def test_several_arguments_are_called_by_their_parameters() -> None:
    class Scorer:
        @observe(entity="tested", inputs=("amount", "row"))
        def predict(self, amount: float, model: object, *, row: Any = None) -> dict[str, float]:
            del self, model, row
            return {"score": amount / 2}

    Scorer().predict(3.0, object(), row={"a": [1]})
    Scorer().predict(amount=4.0, model=object())
    found = [values_of(one) for one in calls()]
    assert found == [
        {"input": {"amount": 3.0, "row.a": [1]}, "output": {"score": 1.5}},
        {"input": {"amount": 4.0}, "output": {"score": 2.0}},
    ]


def test_what_changes_after_the_call_is_kept_as_it_was() -> None:
    @observe(entity="tested")
    def predict(row: dict[str, Any]) -> dict[str, Any]:
        row["amount"] = -1.0
        return row

    result = predict({"amount": 1.0})
    result["amount"] = -2.0
    (observation,) = calls()
    assert values_of(observation) == {"input": {"amount": 1.0}, "output": {"amount": -1.0}}


def test_an_exception_is_the_callers_and_the_outcome() -> None:
    @observe(entity="tested")
    def predict(x: float) -> float:
        raise ZeroDivisionError(x)

    with pytest.raises(ZeroDivisionError):
        predict(1.0)
    (observation,) = calls()
    assert observation.outcome == "exception"
    assert observation.latency > 0
    assert Recorder.of({"entity": "tested"}).worker.in_flight == 0  # type: ignore[union-attr]


def test_it_is_right_under_asyncio_and_threads() -> None:
    @observe(entity="tested")
    async def predict(x: int) -> int:
        nilometer.log(half=x)
        await asyncio.sleep(0)
        nilometer.log(half=x + 0.5)
        return x * 2

    @observe(entity="tested")
    def in_thread(x: int) -> int:
        nilometer.log(half=[x, x + 0.5])
        return x * 2

    async def many() -> list[int]:
        return await asyncio.gather(*map(predict, range(50)))

    assert asyncio.run(many()) == [2 * x for x in range(50)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(in_thread, range(50))) == [2 * x for x in range(50)]
    found = [values_of(one) for one in calls()]
    assert len(found) == 100
    for one in found:
        x = one["input"]["x"]
        assert one == {"input": {"x": x}, "output": {"value": 2 * x}, "half": [x, x + 0.5]}


def test_a_call_that_is_cancelled_has_lost_its_client() -> None:
    @observe(entity="tested")
    async def predict(x: int) -> None:
        await asyncio.sleep(30)

    async def cancelled() -> None:
        task = asyncio.create_task(predict(1))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert [one.outcome for one in calls()] == ["client_left"]


def test_without_an_entity_nothing_is_observed() -> None:
    @observe
    def predict(x: int) -> int:
        return x + 1

    assert predict(1) == 2
    assert not Recorder._of


def test_the_environment_names_the_entity(monkeypatch: pytest.MonkeyPatch) -> None:
    @observe
    def predict(x: int) -> int:
        return x + 1

    monkeypatch.setenv("NILOMETER_ENTITY", "tested")
    assert predict(1) == 2
    assert [values_of(one)["output"] for one in calls()] == [{"value": 2}]


def test_a_wrong_option_is_told_where_it_stands() -> None:
    with pytest.raises(ConfigError, match="max_p99_us"):
        observe(entity="tested", max_p99_us=-1)
    with pytest.raises(TypeError, match="generator"):

        @observe(entity="tested")
        def predict() -> Iterator[int]:
            yield 1


@pytest.mark.parametrize("point", ["columns", "Call", "Recorder.record", "time_ns"])
def test_a_fault_of_ours_is_none_of_the_function(
    monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("broken on purpose")

    @observe(entity="tested")
    def predict(x: int) -> int:
        return x + 1

    monkeypatch.setattr(f"nilometer.capture.observe.{point}", broken)
    assert predict(1) == 2
    recorder = Recorder.of({"entity": "tested"})
    assert recorder is not None
    assert (recorder.worker.guard.faults, recorder.worker.guard.lost) == (1, 1)


def test_in_a_request_it_joins_what_is_observed_already() -> None:
    @observe
    def predict(row: dict[str, float]) -> float:
        return row["a"] * 2

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        message = await receive()
        score = predict(json.loads(message["body"]))
        await send({"type": "http.response.start", "status": 200, "headers": JSON_HEADERS})
        await send({"type": "http.response.body", "body": json.dumps(score).encode()})

    middleware = NilometerMiddleware(app, entity="tested", capture="values")
    sent, error = run(middleware, scope_of(), request_of(b'{"a": 2.5}'))
    assert (error, sent[1]["body"]) == (None, b"5.0")
    (observation,) = observed(middleware._worker)
    assert values_of(observation) == {"input.a": 2.5, "output.value": 5.0}
    assert observation.values_only
    assert (observation.request_body, observation.response_body) == (None, None)
    assert (observation.status, observation.outcome, observation.response_size) == (200, "ok", 3)
    assert not Recorder._of


def test_values_become_profiles_like_those_of_bodies() -> None:
    @observe(entity="tested")
    def predict(row: dict[str, Any]) -> dict[str, Any]:
        if row["amount"] < 0:
            raise ValueError("negative")
        return {"score": row["amount"] / 10}

    for amount in range(-2, 8):
        with suppress(ValueError):
            predict({"amount": float(amount), "kind": "ab"[amount % 2]})
    recorder = Recorder.of({"entity": "tested"})
    assert recorder is not None
    recorder.worker.share = 2.0**-10
    for _ in range(20):
        predict({"amount": 1e9, "kind": "left out, most likely"})
    profiling = Profiling("tested", Labels.of({}), 10**15)
    profiling.observe_packed(pack(calls()))
    samples = [one for profile in profiling.take() for one in profile.samples()]
    whole = {one.summary: one for one in samples if one.sample == 1.0}
    amounts = whole["input.amount"].content
    assert isinstance(amounts, FeatureProfile)
    assert (amounts.numbers.count, amounts.numbers.digest.min) == (10, -2.0)
    score = whole["output.score"].content
    assert isinstance(score, FeatureProfile)
    assert score.numbers.count == 8
    coverage = whole["service"].coverage
    assert (coverage.profiled, dict(coverage.undecodable)) == (8, {"failed_request": 2})
    service = whole["service"].content
    assert isinstance(service, ServiceProfile)
    assert service.outcomes == {"ok": 8, "exception": 2}
    assert sum(one.coverage.sampled_out for one in samples if one.summary == "service") >= 15


def test_redaction_holds_for_what_a_function_was_given() -> None:
    @observe(entity="tested", redact_fields=("*.ssn",), redact_values=("email",))
    def predict(row: dict[str, Any]) -> str:
        return "ok"

    predict({"ssn": "078-05-1120", "note": "to ann@example.org"})
    (observation,) = calls()
    assert values_of(observation)["input"] == {"note": "to [redacted]"}


BATCH_JOB = """
import os
import nilometer

@nilometer.observe
def predict(amount):
    return amount * 2

for amount in range(1000):
    predict(float(amount))
"""


def test_a_batch_job_hands_on_all_of_it_before_it_ends(tmp_path: Path) -> None:
    agent = FakeAgent(tmp_path / "agent.sock")
    try:
        subprocess.run(
            [sys.executable, "-c", BATCH_JOB],
            env={"NILOMETER_ENTITY": "tested", "NILOMETER_AGENT": agent.address},
            check=True,
            timeout=60,
        )
        assert len(agent.observations) == 1000
        total = sum(values_of(one)["output"]["value"] for one in agent.observations)
        assert total == sum(range(1000)) * 2
    finally:
        agent.stop()


def test_equal_settings_share_one_worker() -> None:
    def make() -> Any:
        return observe(entity="tested", labels={"tier": "gold"})(lambda x: x)

    with ThreadPoolExecutor(4) as pool:
        functions = list(pool.map(lambda _: make(), range(4)))
    for function in functions:
        function(1)
    assert len(Recorder._of) == 1
    assert len(calls()) == 4


# Requests without bodies


def without_bodies(app: Any, monkeypatch: pytest.MonkeyPatch) -> NilometerMiddleware:
    """A middleware whose requests are all timed, too: both ways meet."""
    middleware = NilometerMiddleware(app, entity="tested", capture="values")
    monkeypatch.setattr(middleware._worker, "due", True)
    return middleware


def test_without_bodies_requests_and_streams_are_counted_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        nilometer.log(tokens=3)
        await send({"type": "http.response.start", "status": 200, "headers": JSON_HEADERS})
        for chunk in (b"one", b"two", b"three"):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    headers = [(b"content-length", b"8"), (b"x-request-id", b"r-1")]
    middleware = without_bodies(app, monkeypatch)
    for _ in range(2):
        sent, error = run(middleware, scope_of(headers=headers), request_of(b'{"a": 1}'))
        assert error is None
        assert b"".join(one.get("body", b"") for one in sent) == b"onetwothree"
    for one in observed(middleware._worker):
        assert (one.outcome, one.status, one.prediction_id) == ("ok", 200, "r-1")
        assert (one.request_size, one.response_size, one.chunks) == (8, 11, 3)
        assert one.stream_end == "completed"
        assert 0 < one.first_byte <= one.latency
        assert values_of(one) == {"tokens": 3}
        assert one.in_flight == 1


@pytest.mark.parametrize(
    ("breaks", "outcome"),
    [("before", "exception"), ("between", "exception"), ("cancelled", "client_left")],
)
def test_without_bodies_the_outcome_is_known(
    breaks: str, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if breaks == "between":
            await send({"type": "http.response.start", "status": 200, "headers": JSON_HEADERS})
        if breaks == "cancelled":
            raise asyncio.CancelledError
        raise ZeroDivisionError

    middleware = without_bodies(app, monkeypatch)
    _, error = run(middleware, scope_of(), request_of(b"{}"))
    assert isinstance(error, asyncio.CancelledError | ZeroDivisionError)
    (observation,) = observed(middleware._worker)
    assert observation.outcome == outcome
    assert middleware._worker.in_flight == 0


@pytest.mark.parametrize(
    "point", ["_kind", "time_ns", "Exchange._note_response", "Exchange.sample"]
)
def test_without_bodies_a_fault_of_ours_changes_no_answer(
    monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": JSON_HEADERS})
        await send({"type": "http.response.body", "body": b"{}"})

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("broken on purpose")

    middleware = NilometerMiddleware(app, entity="tested", capture="values")
    middleware._worker.share = 0.5
    monkeypatch.setattr("nilometer.capture.exchange.random", lambda: 0.75)  # sampled out
    if point == "_kind":
        monkeypatch.setattr(middleware, point, broken)
    else:
        monkeypatch.setattr(f"nilometer.capture.asgi.{point}", broken)
    sent, error = run(middleware, scope_of(), request_of(b"{}"))
    assert (error, sent[1]["body"]) == (None, b"{}")
    assert middleware._worker.guard.faults == 1


def test_without_bodies_the_id_is_returned_where_it_is_asked_for() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": JSON_HEADERS})
        await send({"type": "http.response.body", "body": b"{}"})

    middleware = NilometerMiddleware(
        app, entity="tested", capture="values", return_prediction_id="x-prediction"
    )
    sent, _ = run(middleware, scope_of(), request_of(b"{}"))
    (returned,) = [value for name, value in sent[0]["headers"] if name == b"x-prediction"]
    (observation,) = observed(middleware._worker)
    assert observation.prediction_id.encode() == returned
