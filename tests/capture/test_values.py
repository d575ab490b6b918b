"""`nilometer.log` and `label`: right under asyncio and threads, and nothing outside a request."""

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import numpy as np
import pytest
from support.asgi_zoo import JSON_HEADERS, exchange, request_of, run, scope_of

import nilometer
from nilometer import NilometerMiddleware
from nilometer.capture import values
from nilometer.capture.types import Receive, Scope, Send
from nilometer.handoff.pack import batch_of
from nilometer.handoff.worker import Worker
from nilometer.profiling.observation import Observation, unpack

ROW = b"{}"


@pytest.fixture(autouse=True)
def no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "ensure_started", lambda worker: setattr(worker, "notes", True))


def observed(middleware: NilometerMiddleware) -> list[Observation]:
    worker = middleware._worker
    assert worker.guard.lost == 0
    return unpack(batch_of(worker.sink.take(10_000, 1 << 30)))


def answering(model: Any) -> NilometerMiddleware:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        result = model(scope)
        if asyncio.iscoroutine(result):
            await result
        await send({"type": "http.response.start", "status": 200, "headers": JSON_HEADERS})
        await send({"type": "http.response.body", "body": b"{}"})

    return NilometerMiddleware(app, entity="tested")


def values_of(model: Any) -> Any:
    middleware = answering(model)
    sent, error = run(middleware, scope_of(), request_of(ROW))
    assert (error, sent[1]["body"]) == (None, b"{}")
    (observation,) = observed(middleware)
    return msgspec.msgpack.decode(observation.values) if observation.values else {}


class Risky:
    """What cannot even be shown."""

    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (1.5, 1.5),
        (True, True),
        ("text", "text"),
        (None, None),
        ([1, "a"], [1, "a"]),
        ((1, 2), [1, 2]),
        (np.float32(0.5), 0.5),
        (np.arange(3), [0, 1, 2]),
        (np.ones((2, 2)), [1.0, 1.0, 1.0, 1.0]),
        (np.zeros(10_000), [0.0] * 4096),
        ({1: 2}, "{1: 2}"),
    ],
)
def test_values_are_kept_plain(given: Any, kept: Any) -> None:
    assert values_of(lambda _: nilometer.log(value=given)) == {"value": kept}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (1 << 64, float(1 << 64)),
        (-(1 << 63) - 1, float(-(1 << 63) - 1)),
        ([10**400, -(10**400)], [float("inf"), float("-inf")]),
        (["half \ud800"], ["half ?"]),
        ("\udcff", "?"),
    ],
)
def test_a_value_that_no_message_has_room_for_is_the_nearest_that_it_has(
    given: Any, kept: Any
) -> None:
    seen = values_of(lambda _: nilometer.log(fine=(1 << 64) - 1, value=given))
    assert seen == {"fine": (1 << 64) - 1, "value": kept}


def test_a_name_with_half_a_character_is_kept_as_far_as_it_can_be() -> None:
    assert values_of(lambda _: nilometer.log(**{"x\ud800": 1})) == {"x?": 1}


def test_looking_it_up_costs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(vars(nilometer), "log", raising=False)
    assert nilometer.log is values.log
    assert vars(nilometer)["log"] is values.log


def test_what_comes_again_is_gathered_and_what_changes_later_is_not_seen() -> None:
    def model(_: Scope) -> None:
        scores = [1]
        nilometer.log(scores=scores, token=1)
        scores.append(2)
        nilometer.log(token=2)
        nilometer.log(token=[3, 4])

    assert values_of(model) == {"scores": [1], "token": [1, 2, 3, 4]}


def test_a_value_that_cannot_be_kept_breaks_nothing() -> None:
    middleware = answering(lambda _: nilometer.log(fine=1, bad=Risky()))
    sent, error = run(middleware, scope_of(), request_of(ROW))
    assert (error, sent[1]["body"]) == (None, b"{}")
    assert middleware._worker.guard.faults == 1
    assert msgspec.msgpack.decode(observed(middleware)[0].values) == {"fine": 1}


def test_names_are_bounded() -> None:
    def model(_: Scope) -> None:
        nilometer.log(**{f"v{number}": number for number in range(1000)})

    assert len(values_of(model)) == 256


def test_requests_at_once_keep_their_own_values_in_tasks_and_threads() -> None:
    async def model(scope: Scope) -> None:
        number = int(scope["path"][1:])
        await asyncio.sleep(0)
        nilometer.log(task=number)
        await asyncio.to_thread(nilometer.log, thread=number)
        await asyncio.create_task(asyncio.sleep(0))
        nilometer.label(tier=f"t{number % 3}")

    async def scenario() -> None:
        await asyncio.gather(
            *(exchange(middleware, scope_of(path=f"/{n}"), request_of(ROW)) for n in range(200))
        )

    middleware = answering(model)
    asyncio.run(scenario())
    seen = observed(middleware)
    assert len(seen) == 200
    for one in seen:
        number = int(one.path[1:])
        assert msgspec.msgpack.decode(one.values) == {"task": number, "thread": number}
        assert one.labels == {"tier": f"t{number % 3}"}


def test_outside_a_request_nothing_happens() -> None:
    nilometer.log(value=1)
    nilometer.label(tier="gold")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(nilometer.log, value=1).result()


def test_after_its_request_a_task_changes_nothing() -> None:
    late: list[asyncio.Task[None]] = []

    async def model(_: Scope) -> None:
        async def later() -> None:
            await asyncio.sleep(0.01)
            nilometer.log(late=1)

        late.append(asyncio.create_task(later()))
        nilometer.log(early=1)

    async def scenario() -> None:
        await exchange(middleware, scope_of(), request_of(ROW))
        await late[0]

    middleware = answering(model)
    asyncio.run(scenario())
    assert [msgspec.msgpack.decode(one.values) for one in observed(middleware)] == [{"early": 1}]


def test_labels_that_no_summary_could_carry_are_left_out() -> None:
    middleware = answering(
        lambda _: nilometer.label(tier="gold", **{"Bad Key": "x", "long": "x" * 300})
    )
    run(middleware, scope_of(), request_of(ROW))
    assert observed(middleware)[0].labels == {"tier": "gold"}


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("from nilometer import log", True),
        ("import nilometer as watching", True),
        ("import nilometer; nilometer.log(x=1)", True),
        ("from nilometer import NilometerMiddleware", False),
    ],
)
def test_requests_are_found_only_where_somebody_may_ask(code: str, wanted: bool) -> None:  # noqa: FBT001
    program = f"{code}\nfrom nilometer.handoff import annotations\nprint(annotations.may_be_used())"
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert finished.stdout.strip() == str(wanted)
