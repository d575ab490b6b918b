"""A real Alertmanager receives an opening, keeps it, and resolves it at the closing."""

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.told import a_message, a_notice

from nilometer.testing import eventually
from nilometer.values.clock import SystemClock
from nilometer.values.labels import Labels
from nilometer_collector.access.destinations import Allowed
from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.channels.alertmanager import send_alertmanager
from nilometer_collector.channels.message import Message
from nilometer_collector.channels.posting import Answer, Outcome
from nilometer_collector.channels.sending import Sending

PROGRAM = shutil.which("prometheus-alertmanager")
CONFIGURATION = "route: {receiver: none}\nreceivers: [{name: none}]\n"

pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="Debian's package prometheus-alertmanager is not installed"
)


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    """The URL of an Alertmanager."""
    (tmp_path / "alertmanager.yml").write_text(CONFIGURATION)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [
        str(PROGRAM),
        f"--config.file={tmp_path / 'alertmanager.yml'}",
        f"--storage.path={tmp_path}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            ready = f"http://{address}/-/ready"
            eventually(lambda: process.poll() is not None or is_ready(ready))
            assert process.poll() is None
            yield f"http://{address}"
        finally:
            process.send_signal(signal.SIGTERM)


def is_ready(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False


def send(url: str, message: Message) -> Answer:
    channel = ChannelDefinition(name="a", kind="alertmanager", settings={"url": url})
    allowed = Allowed.of("webhook_allow", ["127.0.0.1"])
    now_ns = SystemClock().now_ns()
    return send_alertmanager(
        Sending(channel=channel, message=message, allowed=allowed, now_ns=now_ns)
    )


def test_an_alert_is_active_until_its_episode_closes(alertmanager: str) -> None:
    def active() -> list[dict[str, str]]:
        found = httpx.get(f"{alertmanager}/api/v2/alerts", trust_env=False).json()
        return [one["labels"] for one in found if one["status"]["state"] == "active"]

    labels = Labels.of(version="v8")
    opening = send(alertmanager, a_message(a_notice(labels=labels)))
    assert opening.outcome is Outcome.DELIVERED
    eventually(lambda: len(active()) == 1)
    assert active()[0]["entity"] == "fraud-scorer"
    assert active()[0]["label_version"] == "v8"
    closing = send(alertmanager, a_message(a_notice(labels=labels, closed=True)))
    assert closing.outcome is Outcome.DELIVERED
    eventually(lambda: active() == [])
