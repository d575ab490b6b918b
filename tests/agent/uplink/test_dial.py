"""Two threads and one connection: neither cuts the other's call off."""

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nilometer.settings.credentials import Credentials
from nilometer.testing import eventually
from nilometer_agent.uplink import dial as module
from nilometer_agent.uplink.dial import Dial


class Channel:
    """A channel whose calls last until they are let go; it fails where it is closed under one."""

    def __init__(self) -> None:
        self.closed = False
        self.calls = 0
        self.go_on = threading.Event()

    def close(self) -> None:
        self.closed = True

    def Ship(self, request: Any, timeout: float, metadata: Any) -> str:
        del request, timeout, metadata
        self.calls += 1
        assert self.go_on.wait(60)
        assert not self.closed, "closed under a call"
        return "shipped"

    GetPlan = Ship


@pytest.fixture
def channels(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Channel]]:
    made: list[Channel] = []

    def opened(address: str, credentials: Credentials) -> Channel:
        del address, credentials
        made.append(Channel())
        return made[-1]

    monkeypatch.setattr(module, "open_channel", opened)
    monkeypatch.setattr(module, "collector_stub", lambda channel: channel)
    yield made
    for channel in made:
        channel.go_on.set()


def test_threads_that_dial_at_once_share_a_channel(
    channels: list[Channel], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="nilometer.agent")
    dial = Dial("127.0.0.1:1", Credentials())
    with ThreadPoolExecutor(16) as threads:
        calls = [threads.submit(dial.Ship, None, 1.0) for _ in range(16)]
        eventually(lambda: sum(channel.calls for channel in channels) == 16)
        (channel,) = channels
        channel.go_on.set()
        assert {call.result(60) for call in calls} == {"shipped"}
    assert "credentials changed" not in caplog.text
    dial.close()
    dial.close()
    assert channel.closed


def test_new_credentials_open_a_channel_and_the_old_one_ends_with_its_last_call(
    channels: list[Channel], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="nilometer.agent")
    token = tmp_path / "token"
    token.write_text("one")
    token.chmod(0o600)
    dial = Dial("127.0.0.1:1", Credentials(token=str(token)))
    with ThreadPoolExecutor(2) as threads:
        before = threads.submit(dial.GetPlan, None, 1.0)
        eventually(lambda: channels and channels[0].calls)
        token.write_text("another")
        after = threads.submit(dial.Ship, None, 1.0)
        eventually(lambda: len(channels) == 2 and channels[1].calls)
        old, new = channels
        assert not old.closed
        old.go_on.set()
        assert before.result(60) == "shipped"
        assert old.closed
        new.go_on.set()
        assert after.result(60) == "shipped"
        assert not new.closed
    assert caplog.text.count("credentials changed") == 1
