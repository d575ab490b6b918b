"""The receiving side of actions: signature, age, and each order once."""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from nilometer.receive import MOST_BYTES, Order, OrderRefused, Receiver, server_of
from nilometer.testing import SteppedClock
from nilometer.values.clock import NANOSECONDS

KEY = "canary-signing-key"
BODY = json.dumps({"key": "k" * 32, "action": "retrain"}).encode()


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def receiver(tmp_path: Path, clock: SteppedClock) -> Receiver:
    return Receiver(KEY, tmp_path / "seen", clock)


def signed(
    clock: SteppedClock, body: bytes = BODY, *, key: str = KEY, ago: int = 0
) -> dict[str, str]:
    """Return the headers that a collector sends with *body*."""
    at = str(clock.now_ns() // NANOSECONDS - ago)
    digest = hmac.new(key.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"Nilometer-Timestamp": at, "Nilometer-Signature": f"v1={digest}"}


def test_a_signed_order_is_accepted(receiver: Receiver, clock: SteppedClock) -> None:
    order = receiver.accept(signed(clock), BODY)
    assert order == Order("k" * 32, {"key": "k" * 32, "action": "retrain"})
    assert receiver.accept(signed(clock, ago=299), BODY) == order


def test_any_other_order_is_refused(receiver: Receiver, clock: SteppedClock) -> None:
    fine = signed(clock)
    no_number = {**fine, "Nilometer-Timestamp": "now"}
    for headers, body, reason in (
        ({}, BODY, "signature"),
        (signed(clock, key="other-signing-key"), BODY, "signature"),
        (fine, BODY + b" ", "signature"),
        ({**fine, "Nilometer-Signature": "v1=\u00fc"}, BODY, "signature"),
        (no_number, BODY, "signature"),
        (signed(clock, ago=302), BODY, "too far"),
        (signed(clock, ago=-302), BODY, "too far"),
        (signed(clock, b"{"), b"{", "JSON"),
        (signed(clock, b"[]"), b"[]", "no key"),
        (signed(clock, b'{"key": "../../x"}'), b'{"key": "../../x"}', "no key"),
    ):
        with pytest.raises(OrderRefused, match=reason):
            receiver.accept(headers, body)


def test_an_order_is_done_once_also_by_another_process(
    receiver: Receiver, clock: SteppedClock, tmp_path: Path
) -> None:
    done: list[str] = []
    order = receiver.accept(signed(clock), BODY)
    assert receiver.once(order, lambda one: done.append(one.key))
    other = Receiver(KEY, tmp_path / "seen", clock)
    assert not other.once(order, lambda one: done.append(one.key))
    assert len(done) == 1


def test_an_order_that_fails_may_come_again(receiver: Receiver, clock: SteppedClock) -> None:
    order = receiver.accept(signed(clock), BODY)

    def fail(_: Order) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        receiver.once(order, fail)
    assert receiver.once(order, lambda _: None)


@pytest.fixture
def done() -> list[str]:
    return []


@pytest.fixture
def url(receiver: Receiver, done: list[str]) -> Iterator[str]:
    """The URL of a server that fails at its first order."""

    def work(order: Order) -> None:
        done.append(order.key)
        if len(done) == 1:
            raise OSError("no disk")

    server = server_of(receiver, work, ("127.0.0.1", 0))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_the_server_does_each_order_once(url: str, done: list[str], clock: SteppedClock) -> None:
    with httpx.Client(trust_env=False) as client:

        def post(body: bytes, headers: dict[str, str]) -> tuple[int, str]:
            answer = client.post(url, content=body, headers=headers)
            return answer.status_code, answer.text

        assert post(BODY, {}) == (401, "the signature is wrong\n")
        assert post(b"x" * (MOST_BYTES + 1), {})[0] == 413
        assert post(BODY, signed(clock))[0] == 500
        assert post(BODY, signed(clock)) == (200, "done\n")
        assert post(BODY, signed(clock)) == (200, "known already\n")
        assert client.get(url).status_code == 501
    assert len(done) == 2
