"""The receiving side of actions: signature, age, and each order once."""

import hashlib
import hmac
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from nilometer.receive import MOST_BYTES, Order, OrderRefused, OrderUnderWay, Receiver, server_of
from nilometer.testing import SteppedClock
from nilometer.values.clock import NANOSECONDS

KEY = "canary-signing-key"
CONTENT = {"kind": "action", "key": "k" * 32, "action": "retrain"}
BODY = json.dumps(CONTENT).encode()
WRONG_KEY = json.dumps({**CONTENT, "key": "../../x"}).encode()
NOTICE = json.dumps({**CONTENT, "kind": "message"}).encode()


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
    assert order == Order("k" * 32, CONTENT)
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
        (signed(clock, b"[]"), b"[]", "no order"),
        (signed(clock, NOTICE), NOTICE, "no order"),
        (signed(clock, WRONG_KEY), WRONG_KEY, "no key"),
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


def test_an_order_under_way_is_not_said_to_be_done(receiver: Receiver, clock: SteppedClock) -> None:
    order = receiver.accept(signed(clock), BODY)

    def repeat(one: Order) -> None:
        receiver.once(one, lambda _: None)

    with pytest.raises(OrderUnderWay):
        receiver.once(order, repeat)
    assert receiver.once(order, lambda _: None)


def test_only_its_own_old_keys_are_forgotten(
    receiver: Receiver, clock: SteppedClock, tmp_path: Path
) -> None:
    directory = tmp_path / "seen"
    old = [directory / name for name in ("k" * 31, "somebodys_file", "directory")]
    old[0].touch()
    old[1].write_text("x")
    old[2].mkdir()
    for path in old:
        os.utime(path, (0, 0))
    assert receiver.once(receiver.accept(signed(clock), BODY), lambda _: None)
    assert [path.exists() for path in old] == [False, True, True]


def test_a_key_that_anybody_can_guess_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="16 characters"):
        Receiver("", tmp_path)


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
